"""SnapshotService: what is being served, what else could be, and the users it knows."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.snapshot_service_pb2 import (
    ActivateSnapshotRequest,
    ActivateSnapshotResponse,
    GetServingRequest,
    GetServingResponse,
    ListServingConfigsRequest,
    ListServingConfigsResponse,
    ListSnapshotsRequest,
    ListSnapshotsResponse,
    ListUserIdsRequest,
    ListUserIdsResponse,
)
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceServicer
from recsys.snapshot.store import SnapshotStore
from server.activation import Activation
from server.calls import Call, rpc
from server.listing_tokens import snapshots_last, snapshots_token, users_position, users_token
from server.live import Live
from server.snapshot_messages import config_message, current_of, snapshot_message, timestamp
from server.state import LiveState
from server.validation import check

DEFAULT_IDS, MOST_IDS = 1000, 10_000
# Each is a manifest to read and to check.
DEFAULT_SNAPSHOTS, MOST_SNAPSHOTS = 20, 100


class Snapshots(SnapshotServiceServicer):
    """Tells about whatever ``live`` holds and what lies in ``store``; ``activation`` changes which one is served.

    state: where it says who was erased, None: nobody was.
    """

    def __init__(
        self, live: Live, store: SnapshotStore, activation: Activation, state: LiveState | None = None
    ) -> None:
        self._live = live
        self._store = store
        self._activation = activation
        self._state = state or LiveState(None)
        self._started_s = monotonic()

    @rpc
    def GetServing(self, request: GetServingRequest, call: Call) -> GetServingResponse:
        """The snapshot this worker serves now."""
        check(request)
        serving = self._live.get()
        manifest = serving.manifest
        call.note(snapshot=manifest.version)
        uptime = Duration()
        uptime.FromTimedelta(timedelta(milliseconds=int((monotonic() - self._started_s) * 1e3)))
        return GetServingResponse(
            snapshot_version=manifest.version,
            built_at=timestamp(manifest.built_at),
            event_window_start=Timestamp(seconds=manifest.event_window_start),
            event_window_end=Timestamp(seconds=manifest.event_window_end),
            n_users=manifest.n_users,
            n_items=manifest.n_items,
            sources=manifest.sources,
            serving_configs=sorted(serving.snapshot.configs),
            uptime=uptime,
        )

    @rpc
    def ListSnapshots(self, request: ListSnapshotsRequest, call: Call) -> ListSnapshotsResponse:
        """One page of the snapshots on disk, the newest first."""
        check(request)
        last = snapshots_last(request.page_token) if request.page_token else ""
        versions = [version for version in reversed(self._store.versions()) if not last or version < last]
        page = versions[: min(request.page_size or DEFAULT_SNAPSHOTS, MOST_SNAPSHOTS)]
        current = current_of(self._store)
        found = (snapshot_message(self._store, version, is_current=version == current) for version in page)
        response = ListSnapshotsResponse(
            snapshots=[message for message in found if message is not None],
            next_page_token=snapshots_token(page[-1]) if len(page) < len(versions) else "",
        )
        call.note(n_results=len(response.snapshots))
        return response

    @rpc
    def ActivateSnapshot(self, request: ActivateSnapshotRequest, call: Call) -> ActivateSnapshotResponse:
        """Make a snapshot current, and serve it before answering."""
        check(request)
        version = request.snapshot_version
        call.note(snapshot=version)
        former = self._activation.activate(version, if_current=request.if_current, go_on=call.check_deadline)
        call.note(previous=former)
        return ActivateSnapshotResponse(snapshot_version=version, previous_version=former)

    @rpc
    def ListServingConfigs(self, request: ListServingConfigsRequest, call: Call) -> ListServingConfigsResponse:
        """The serving configs of the snapshot this worker serves now."""
        check(request)
        snapshot = self._live.get().snapshot
        call.note(snapshot=snapshot.version, n_results=len(snapshot.configs))
        return ListServingConfigsResponse(
            serving_configs=[config_message(config, snapshot) for _, config in sorted(snapshot.configs.items())],
            snapshot_version=snapshot.version,
        )

    @rpc
    def ListUserIds(self, request: ListUserIdsRequest, call: Call) -> ListUserIdsResponse:
        """One page of the users' ids in the snapshot's order."""
        check(request)
        snapshot = self._live.get().snapshot
        start = users_position(request.page_token, snapshot.version) if request.page_token else 0
        end = min(start + min(request.page_size or DEFAULT_IDS, MOST_IDS), len(snapshot.users))
        erased = self._state.erased(call.left_s, is_fresh=True)
        user_ids = [id for id in snapshot.users.ids(range(start, end)) if not erased.has(id)]
        call.note(snapshot=snapshot.version, n_results=len(user_ids))
        return ListUserIdsResponse(
            user_ids=user_ids,
            next_page_token=users_token(snapshot.version, end) if end < len(snapshot.users) else "",
            snapshot_version=snapshot.version,
        )
