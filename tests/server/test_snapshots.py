"""What the snapshot service tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1.snapshot_service_pb2 import GetServingRequest, ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub

USERS = [f"user-{i:02d}" for i in range(24)]


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> SnapshotServiceStub:
    return SnapshotServiceStub(channel)


def test_get_serving_repeats_the_manifest(stub: SnapshotServiceStub, snapshots: Path) -> None:
    serving = stub.GetServing(GetServingRequest())

    assert serving.snapshot_version == (snapshots / "CURRENT").read_text().strip()
    assert serving.built_at.ToJsonString() == "2017-07-15T00:00:00Z"
    assert serving.event_window_start.seconds == 1_500_000_000 - 80 * 86_400
    assert serving.event_window_end.seconds == 1_500_000_000
    assert (serving.n_users, serving.n_items) == (24, 60)
    assert list(serving.serving_configs) == ["buy-again", "discover", "home", "search", "similar"]
    assert list(serving.sources) == ["history", "popular", "als", "similar-als"]
    assert serving.uptime.ToTimedelta() > timedelta()


@pytest.mark.parametrize("page_size", [1, 5, 23, 24, 0, 10_000])
def test_pages_of_users_cover_everyone_once(stub: SnapshotServiceStub, page_size: int) -> None:
    users: list[str] = []
    token = ""
    while True:
        page = stub.ListUserIds(ListUserIdsRequest(page_size=page_size, page_token=token))
        users += page.user_ids
        token = page.next_page_token
        if not token:
            break

    assert users == USERS


@pytest.mark.parametrize("token", ["nonsense", "é", "MTIz", "eCAtMQ==", "AAAA"])
def test_a_token_that_is_not_ours_is_refused(
    stub: SnapshotServiceStub, failure_of: Callable[..., Any], token: str
) -> None:
    failure = failure_of(lambda: stub.ListUserIds(ListUserIdsRequest(page_token=token)))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [v.field for v in failure.details["BadRequest"].field_violations] == ["page_token"]
