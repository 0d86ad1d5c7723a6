"""Profiles, links and deletions over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.code_pb2 import Code

from protos.recommender.v1.attribute_pb2 import AttributeValue, TextList
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from protos.recommender.v1.user_pb2 import User
from protos.recommender.v1.user_service_pb2 import (
    DeleteUserRequest,
    GetProfileRequest,
    LinkIdentitiesRequest,
    UnlinkIdentitiesRequest,
    UpsertUsersRequest,
)

from .stateful import Shops, bought
from .test_events import violations
from .tiny_shop import LAST_EVENT_AT

TEXT, NUMBER = AttributeValue(text="x"), AttributeValue(number=2.5)


def upsert(*users: User, **fields: Any) -> UpsertUsersRequest:
    return UpsertUsersRequest(users=users, **fields)


def profile(running: Any, user_id: str) -> Any:
    return running.users.GetProfile(GetProfileRequest(user_id=user_id))


def test_users_are_created_only_when_that_is_allowed_and_each_has_a_status(shop: Shops) -> None:
    running = shop()
    users = [User(user_id="user-03", attributes={"a": TEXT}), User(user_id="new", attributes={"a": TEXT}), User()]
    first = running.users.UpsertUsers(upsert(*users))
    second = running.users.UpsertUsers(upsert(*users, allow_missing=True))

    assert [status.code for status in first.statuses] == [Code.OK, Code.NOT_FOUND, Code.INVALID_ARGUMENT]
    assert [status.code for status in second.statuses] == [Code.OK, Code.OK, Code.INVALID_ARGUMENT]
    assert violations(first.statuses[2]) == [("users[2].user_id", "users[2].user_id must not be empty")]


def test_every_broken_rule_of_a_user_is_named(shop: Shops) -> None:
    attributes = {"": TEXT, "empty": AttributeValue(), "far": AttributeValue(number=float("inf"))}
    attributes["long"] = AttributeValue(text="x" * 1001)
    attributes["texts"] = AttributeValue(texts=TextList(values=["a column of a profile holds one value"]))
    (status,) = shop().users.UpsertUsers(upsert(User(user_id="a\n", attributes=attributes))).statuses

    assert [field for field, _ in violations(status)] == [
        "users[0].user_id",
        "users[0].attributes",
        "users[0].attributes.empty",
        "users[0].attributes.far",
        "users[0].attributes.long",
        "users[0].attributes.texts",
    ]
    assert violations(status)[-1][1] == "users[0].attributes.texts must be one of text, number, flag, got texts"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], {"a", "b", "c"}),
        (["attributes.c"], {"a", "b", "c"}),
        (["attributes.a"], {"b"}),
        (["attributes"], {"c"}),
        (["*"], {"c"}),
    ],
)
def test_a_mask_says_what_changes_and_what_it_names_and_lacks_is_cleared(
    shop: Shops, paths: list[str], expected: set[str]
) -> None:
    running = shop()
    running.users.UpsertUsers(upsert(User(user_id="new", attributes={"a": TEXT, "b": NUMBER}), allow_missing=True))
    changed = User(user_id="new", attributes={"c": AttributeValue(flag=False)})
    running.users.UpsertUsers(upsert(changed, update_mask={"paths": paths}))

    assert set(profile(running, "new").user.attributes) == expected


@pytest.mark.parametrize("path", ["user_id", "attributes.", "attribute.a", ""])
def test_a_mask_of_something_else_is_refused(shop: Shops, failure_of: Callable[..., Any], path: str) -> None:
    running = shop()
    failure = failure_of(lambda: running.users.UpsertUsers(upsert(update_mask={"paths": ["attributes", path]})))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.details["BadRequest"].field_violations[0].field == "update_mask.paths[1]"


def test_a_profile_tells_of_devices_and_events_of_both_kinds(shop: Shops, failure_of: Callable[..., Any]) -> None:
    running = shop()
    running.write(bought(user_id="user-03"), bought(visitor_id="b"), bought(visitor_id="c"))
    for visitor in ("b", "a"):
        running.users.LinkIdentities(LinkIdentitiesRequest(user_id="user-03", visitor_id=visitor))
    known = profile(running, "user-03")

    assert list(known.visitor_ids) == ["a", "b"]
    assert known.n_events == 2
    assert known.n_snapshot_events > 0
    failure = failure_of(lambda: profile(running, "nobody"))
    assert (failure.code, failure.details["ResourceInfo"].resource_name) == (grpc.StatusCode.NOT_FOUND, "nobody")


def test_a_link_moves_and_only_what_is_linked_can_be_unlinked(shop: Shops, failure_of: Callable[..., Any]) -> None:
    running = shop()
    link = running.users.LinkIdentities
    assert link(LinkIdentitiesRequest(user_id="a", visitor_id="v")).previous_user_id == ""
    assert link(LinkIdentitiesRequest(user_id="a", visitor_id="v")).previous_user_id == "a"
    assert link(LinkIdentitiesRequest(user_id="b", visitor_id="v")).previous_user_id == "a"

    unlink = UnlinkIdentitiesRequest(user_id="a", visitor_id="v")
    assert failure_of(lambda: running.users.UnlinkIdentities(unlink)).code is grpc.StatusCode.NOT_FOUND
    broken = failure_of(lambda: link(LinkIdentitiesRequest())).details["BadRequest"].field_violations
    assert [one.field for one in broken] == ["user_id", "visitor_id"]


def test_a_deletion_is_proved_by_a_receipt_that_names_nobody_and_leaves_no_trace(
    shop: Shops, failure_of: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    running = shop()
    running.write(bought(user_id="ann-the-customer"))
    running.users.UpsertUsers(upsert(User(user_id="ann-the-customer", attributes={"a": TEXT})))
    with caplog.at_level("INFO", logger="server"):
        receipt = running.users.DeleteUser(DeleteUserRequest(user_id="ann-the-customer")).receipt

    assert (receipt.n_events, receipt.links) == (1, 0)
    assert receipt.deleted_at.seconds > 1_700_000_000
    assert receipt.id
    (line,) = [record.fields for record in caplog.records if record.fields.get("method") == "DeleteUser"]  # type: ignore[attr-defined]
    assert line["erasure"] == receipt.id
    assert "ann-the-customer" not in str(line)
    assert failure_of(lambda: profile(running, "ann-the-customer")).code is grpc.StatusCode.NOT_FOUND
    assert running.users.DeleteUser(DeleteUserRequest(user_id="never heard of")).receipt.n_events == 0


@pytest.mark.parametrize("clock", ["now", "snapshot"])
def test_what_somebody_does_after_a_deletion_counts_by_every_workers_clock(shop: Shops, clock: str) -> None:
    running = shop(clock=clock)
    for user_id in ("user-03", "never heard of"):
        running.users.DeleteUser(DeleteUserRequest(user_id=user_id))

        written = running.write(bought(user_id=user_id))

        assert (written.n_written, written.n_duplicate, written.n_erased) == (1, 0, 0)
        assert running.took(user_id=user_id) == {"1-i57"}


def test_what_a_deleted_user_did_before_is_not_kept_and_is_counted_as_that(shop: Shops) -> None:
    running = shop()
    first = bought(user_id="a", timestamp=Timestamp(seconds=LAST_EVENT_AT), event_id="first")
    others = bought(user_id="b", timestamp=Timestamp(seconds=LAST_EVENT_AT), event_id="of another")
    running.write(first, others)
    running.users.DeleteUser(DeleteUserRequest(user_id="a"))

    again = running.write(first, others, bought(user_id="a", timestamp=Timestamp(seconds=LAST_EVENT_AT)))

    assert [status.code for status in again.statuses] == [Code.OK] * 3
    assert (again.n_written, again.n_duplicate, again.n_erased) == (0, 1, 2)


def test_a_deleted_user_is_not_listed_by_a_worker_that_looked_before(shop: Shops) -> None:
    running = shop()
    listing = SnapshotServiceStub(running.reader).ListUserIds
    assert "user-03" in listing(ListUserIdsRequest()).user_ids

    running.users.DeleteUser(DeleteUserRequest(user_id="user-03"))

    assert "user-03" not in listing(ListUserIdsRequest()).user_ids
