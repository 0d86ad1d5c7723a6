"""UserService: profiles, which devices are whose, and being forgotten."""

from __future__ import annotations

from collections.abc import Collection

from google.rpc.status_pb2 import Status

from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.user_pb2 import User
from protos.recommender.v1.user_service_pb2 import (
    DeleteUserRequest,
    DeleteUserResponse,
    DeletionReceipt,
    GetProfileRequest,
    GetProfileResponse,
    LinkIdentitiesRequest,
    LinkIdentitiesResponse,
    UnlinkIdentitiesRequest,
    UnlinkIdentitiesResponse,
    UpsertUsersRequest,
    UpsertUsersResponse,
)
from protos.recommender.v1.user_service_pb2_grpc import UserServiceServicer
from recsys.errors import InvalidRequest, NotFound, RecsysError, SnapshotError, Unavailable
from recsys.model import Snapshot
from recsys.stores.records import ProfileChange, Value
from server.calls import Call, rpc
from server.clock import Clock, forgotten_until_us, wall_time_us
from server.live import Live, Serving
from server.rules import LONGEST_ID, attributes, id_text
from server.state import LiveState
from server.statuses import status_of
from server.validation import ATTRIBUTES, check

_USER_ID = id_text(LONGEST_ID, required=True)
# Columns of profiles are numbers or categories.
_FACTS = attributes("text", "number", "flag")


class Users(UserServiceServicer):
    """Changes people in ``state``, over whatever snapshot ``live`` holds; ``clock`` is that of answers."""

    def __init__(self, state: LiveState, live: Live, clock: Clock) -> None:
        self._state = state
        self._live = live
        self._clock = clock

    @rpc
    def UpsertUsers(self, request: UpsertUsersRequest, call: Call) -> UpsertUsersResponse:
        """A status for each user, in order."""
        call.note(n_users=len(request.users))
        check(request)
        state = self._state.store()
        snapshot = self._snapshot()
        columns = snapshot.people.profiles.names if snapshot else ()
        failures: dict[int, RecsysError] = {}
        changes: dict[int, ProfileChange] = {}
        for position, user in enumerate(request.users):
            name = f"users[{position}]"
            broken = [
                *_USER_ID(f"{name}.user_id", user.user_id),
                *_FACTS(f"{name}.{ATTRIBUTES}", user.attributes),
            ]
            if broken:
                failures[position] = InvalidRequest(broken)
            else:
                changes[position] = _change(user, request.update_mask.paths, columns)
        ids = {one.user_id for one in changes.values()}
        existing = {id for id in ids if snapshot and snapshot.users.number(id) is not None}
        done = state.users.upsert(list(changes.values()), existing=existing, create=request.allow_missing)
        for position, is_done in zip(changes, done, strict=True):
            if not is_done:
                failures[position] = NotFound("user", request.users[position].user_id)
        call.note(n_failed=len(failures))
        return UpsertUsersResponse(
            statuses=[
                status_of(failures[position], call.request_id) if position in failures else Status()
                for position in range(len(request.users))
            ]
        )

    @rpc
    def GetProfile(self, request: GetProfileRequest, call: Call) -> GetProfileResponse:
        """What snapshot and store know of a user."""
        check(request)
        users = self._state.store().users
        person = users.person(request.user_id, "", most_events=1)
        n_events = users.count_events(person)
        known: dict[str, Value] = {}
        n_snapshot_events, is_known = 0, False
        if (snapshot := self._snapshot()) is not None:
            n_snapshot_events = len(snapshot.people.history(person))
            if person.erased_us is None:
                number = snapshot.users.number(request.user_id)
                is_known = number is not None
                known = snapshot.people.profiles.attributes(number)
        if not (is_known or n_events or n_snapshot_events or person.attributes or person.visitor_ids):
            raise NotFound("user", request.user_id)
        known = {name: value for name, value in {**known, **person.attributes}.items() if value is not None}
        return GetProfileResponse(
            user=User(user_id=request.user_id, attributes={name: _message(value) for name, value in known.items()}),
            visitor_ids=person.visitor_ids,
            n_events=n_events,
            n_snapshot_events=n_snapshot_events,
        )

    @rpc
    def LinkIdentities(self, request: LinkIdentitiesRequest, call: Call) -> LinkIdentitiesResponse:
        """The visitor is the user from now on."""
        check(request)
        previous = self._state.store().users.link(request.user_id, request.visitor_id)
        return LinkIdentitiesResponse(previous_user_id=previous)

    @rpc
    def UnlinkIdentities(self, request: UnlinkIdentitiesRequest, call: Call) -> UnlinkIdentitiesResponse:
        """Both are what they were."""
        check(request)
        if not self._state.store().users.unlink(request.user_id, request.visitor_id):
            raise NotFound("link", request.visitor_id)
        return UnlinkIdentitiesResponse()

    @rpc
    def DeleteUser(self, request: DeleteUserRequest, call: Call) -> DeleteUserResponse:
        """Nothing of the user is left."""
        check(request)
        until_us = forgotten_until_us(self._clock, self._serving())
        receipt = self._state.store().users.erase(request.user_id, now_us=until_us)
        call.note(erasure=receipt.id, n_events=receipt.n_events, n_links=receipt.n_links)
        response = DeletionReceipt(
            n_events=receipt.n_events, profile=receipt.has_profile, links=receipt.n_links, id=receipt.id
        )
        response.deleted_at.FromMicroseconds(wall_time_us())
        return DeleteUserResponse(receipt=response)

    def _serving(self) -> Serving | None:
        try:
            return self._live.get()
        except (SnapshotError, Unavailable):
            return None

    def _snapshot(self) -> Snapshot | None:
        serving = self._serving()
        return None if serving is None else serving.snapshot


def _change(user: User, paths: Collection[str], columns: Collection[str]) -> ProfileChange:
    """What ``user`` says under an update mask; without one, what it has. ``columns``: what the snapshot may know."""
    given: dict[str, Value | None] = {name: _value(value) for name, value in user.attributes.items()}
    if not paths:
        return ProfileChange(user.user_id, given)
    if ATTRIBUTES in paths or "*" in paths:
        return ProfileChange(user.user_id, {**dict.fromkeys(columns), **given}, replace=True)
    names = [path.removeprefix(f"{ATTRIBUTES}.") for path in paths]
    return ProfileChange(user.user_id, {name: given.get(name) for name in names})


def _value(value: AttributeValue) -> Value:
    kind: Value = getattr(value, value.WhichOneof("kind") or "text")
    return kind


def _message(value: Value) -> AttributeValue:
    if isinstance(value, bool):
        return AttributeValue(flag=value)
    return AttributeValue(text=value) if isinstance(value, str) else AttributeValue(number=value)
