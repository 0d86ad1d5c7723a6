"""SnapshotService: what is being served, and the users it knows."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from time import monotonic

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.snapshot_service_pb2 import (
    GetServingRequest,
    GetServingResponse,
    ListUserIdsRequest,
    ListUserIdsResponse,
)
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceServicer
from recsys.errors import InvalidRequest, Violation
from server.calls import Call, rpc
from server.live import Live
from server.validation import check

DEFAULT_IDS, MOST_IDS = 1000, 10_000


class Snapshots(SnapshotServiceServicer):
    """Tells about whatever ``live`` holds."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._started_s = monotonic()

    @rpc
    def GetServing(self, request: GetServingRequest, call: Call) -> GetServingResponse:
        """The snapshot this worker serves now."""
        check(request)
        serving = self._live.get()
        manifest = serving.manifest
        call.note(snapshot=manifest.version)
        return GetServingResponse(
            snapshot_version=manifest.version,
            built_at=_timestamp(manifest.built_at),
            event_window_start=Timestamp(seconds=manifest.event_window_start),
            event_window_end=Timestamp(seconds=manifest.event_window_end),
            n_users=manifest.n_users,
            n_items=manifest.n_items,
            sources=manifest.sources,
            serving_configs=sorted(serving.snapshot.configs),
            uptime=Duration(seconds=int(monotonic() - self._started_s)),
        )

    @rpc
    def ListUserIds(self, request: ListUserIdsRequest, call: Call) -> ListUserIdsResponse:
        """One page of the users' ids in the snapshot's order."""
        check(request)
        snapshot = self._live.get().snapshot
        start = _position(request.page_token, snapshot.version) if request.page_token else 0
        end = min(start + min(request.page_size or DEFAULT_IDS, MOST_IDS), len(snapshot.users))
        call.note(snapshot=snapshot.version, n_results=max(0, end - start))
        return ListUserIdsResponse(
            user_ids=snapshot.users.ids(range(start, end)),
            next_page_token=_token(end, snapshot.version) if end < len(snapshot.users) else "",
            snapshot_version=snapshot.version,
        )


def _token(position: int, version: str) -> str:
    return base64.urlsafe_b64encode(f"{version} {position}".encode()).decode()


def _position(token: str, version: str) -> int:
    try:
        named, _, position = base64.urlsafe_b64decode(token).decode().rpartition(" ")
        start = int(position)
    except (binascii.Error, ValueError):
        named, start = "", -1
    if start < 0 or not named:
        raise InvalidRequest([Violation("page_token", "page_token must be one that ListUserIds returned")])
    if named != version:
        description = f"page_token belongs to snapshot {named}, but {version} is being served: start again"
        raise InvalidRequest([Violation("page_token", description)])
    return start


def _timestamp(iso: str) -> Timestamp:
    time = datetime.fromisoformat(iso)
    stamp = Timestamp()
    stamp.FromDatetime((time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC))
    return stamp
