"""Listings of snapshots and of serving configs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import snapshot_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.serving import Depth, Scope, ServingConfig, built_in
from recsys.snapshot.canonical import canonical
from recsys.snapshot.signature import signing_key
from recsys.snapshot.store import SnapshotStore

from .tiny_shop import LAST_EVENT_AT, N_ITEMS, N_USERS, commit_tiny, publish_tiny, tiny_snapshot

KEY = f"hmac:{'5a' * 32}"


def built_on(root: Path, day: int, **options: Any) -> str:
    """The version of a snapshot that was built on ``day`` of July 2017."""
    return commit_tiny(root, tiny_snapshot(1), built_at=f"2017-07-{day:02d}T00:00:00+00:00", **options)


def pages(stub: SnapshotServiceStub, page_size: int) -> list[list[str]]:
    found, token = [], ""
    while True:
        page = stub.ListSnapshots(pb.ListSnapshotsRequest(page_size=page_size, page_token=token))
        found.append([snapshot.snapshot_version for snapshot in page.snapshots])
        token = page.next_page_token
        if not token:
            return found


def test_before_the_first_snapshot_there_is_nothing_to_list(tmp_path: Path, serve: Callable[..., grpc.Channel]) -> None:
    stub = SnapshotServiceStub(serve(tmp_path))

    assert stub.ListSnapshots(pb.ListSnapshotsRequest()) == pb.ListSnapshotsResponse()


@pytest.mark.parametrize(("page_size", "lengths"), [(0, [5]), (1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (1000, [5])])
def test_pages_cover_every_snapshot_once_the_newest_first(
    tmp_path: Path, serve: Callable[..., grpc.Channel], page_size: int, lengths: list[int]
) -> None:
    versions = [built_on(tmp_path, day) for day in (14, 3, 20, 1, 9)]

    found = pages(SnapshotServiceStub(serve(tmp_path)), page_size)

    assert [len(page) for page in found] == lengths
    assert [version for page in found for version in page] == sorted(versions, reverse=True)


def test_a_page_goes_on_where_the_one_before_ended_whatever_came_and_went(
    tmp_path: Path, serve: Callable[..., grpc.Channel]
) -> None:
    oldest, old, new = (built_on(tmp_path, day) for day in (1, 2, 3))
    SnapshotStore(tmp_path).publish(oldest)
    stub = SnapshotServiceStub(serve(tmp_path))
    page = stub.ListSnapshots(pb.ListSnapshotsRequest(page_size=2))
    assert [snapshot.snapshot_version for snapshot in page.snapshots] == [new, old]

    built_on(tmp_path, 4)
    assert SnapshotStore(tmp_path).prune(1) == [old, new]

    page = stub.ListSnapshots(pb.ListSnapshotsRequest(page_size=2, page_token=page.next_page_token))
    assert [snapshot.snapshot_version for snapshot in page.snapshots] == [oldest]


def test_a_snapshot_is_listed_as_its_manifest_has_it(tmp_path: Path, serve: Callable[..., grpc.Channel]) -> None:
    gates = [
        {"name": "ann_recall", "value": 0.97, "limit": 0.95, "passed": True},
        {"name": "ndcg_vs_current", "value": None, "limit": 1.0, "passed": True},
    ]
    failed = [{"name": "coverage", "value": 0.1, "limit": 0.5, "passed": False}]
    one, other = built_on(tmp_path, 2, gates=gates, key=signing_key(KEY)), built_on(tmp_path, 1, gates=failed)
    SnapshotStore(tmp_path).publish(one)

    listed, older = SnapshotServiceStub(serve(tmp_path)).ListSnapshots(pb.ListSnapshotsRequest(), timeout=30).snapshots

    assert (listed.snapshot_version, listed.state) == (one, pb.SNAPSHOT_STATE_READABLE)
    assert listed.built_at.ToJsonString() == "2017-07-02T00:00:00Z"
    assert listed.event_window_start.seconds == LAST_EVENT_AT - 80 * 86_400
    assert listed.event_window_end.seconds == LAST_EVENT_AT
    assert (listed.n_users, listed.n_items) == (N_USERS, N_ITEMS)
    assert (listed.is_current, listed.is_signed, listed.gates_passed) == (True, True, True)
    assert [gate.name for gate in listed.gates] == ["ann_recall", "ndcg_vs_current"]
    assert listed.gates[0].value == 0.97
    assert not listed.gates[1].HasField("value")
    assert (older.snapshot_version, older.is_current, older.is_signed) == (other, False, False)
    assert not older.gates_passed


def test_what_cannot_be_activated_is_listed_with_the_kind_of_reason(
    tmp_path: Path, serve: Callable[..., grpc.Channel]
) -> None:
    signed, unsigned, damaged, older = (
        built_on(tmp_path, day, key=key) for day, key in ((4, signing_key(KEY)), (3, None), (2, None), (1, None))
    )
    (tmp_path / damaged / "manifest.json").write_text("{")
    (tmp_path / older / "manifest.json").write_bytes(canonical({"schema": 1}))

    def states(**settings: Any) -> dict[str, int]:
        answer = SnapshotServiceStub(serve(tmp_path, **settings)).ListSnapshots(pb.ListSnapshotsRequest())
        return {snapshot.snapshot_version: snapshot.state for snapshot in answer.snapshots}

    readable, corrupt = pb.SNAPSHOT_STATE_READABLE, pb.SNAPSHOT_STATE_CORRUPT
    mismatch = pb.SNAPSHOT_STATE_SCHEMA_MISMATCH
    assert states() == {signed: readable, unsigned: readable, damaged: corrupt, older: mismatch}
    # With a key, what is not signed is not even believed about its schema.
    assert states(verify_key=KEY) == {signed: readable, unsigned: corrupt, damaged: corrupt, older: corrupt}


@pytest.mark.parametrize("token", ["nonsense", "é", "b2xkZXI=", "b2xkZXIgLi4vLi4=", "AAAA"])
def test_a_token_that_is_not_ours_is_refused(channel: grpc.Channel, failure_of: Callable[..., Any], token: str) -> None:
    stub = SnapshotServiceStub(channel)
    failure = failure_of(lambda: stub.ListSnapshots(pb.ListSnapshotsRequest(page_token=token)))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.message == "page_token must be one that ListSnapshots returned"


def test_a_token_of_another_listing_is_refused(channel: grpc.Channel, failure_of: Callable[..., Any]) -> None:
    stub = SnapshotServiceStub(channel)
    token = stub.ListUserIds(pb.ListUserIdsRequest(page_size=1)).next_page_token

    failure = failure_of(lambda: stub.ListSnapshots(pb.ListSnapshotsRequest(page_token=token)))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT


def test_the_built_in_serving_configs_are_listed_as_they_answer(channel: grpc.Channel, snapshots: Path) -> None:
    answer = SnapshotServiceStub(channel).ListServingConfigs(pb.ListServingConfigsRequest())

    assert answer.snapshot_version == (snapshots / "CURRENT").read_text().strip()
    configs = {config.name: config for config in answer.serving_configs}
    assert list(configs) == ["buy-again", "discover", "home", "search", "similar"]
    assert all(config.description for config in configs.values())
    assert configs["buy-again"] == pb.ServingConfig(
        name="buy-again",
        description="Only what the user already has",
        sources=[pb.SourceDepth(source="history", depth=200, scope=pb.SCOPE_ANY)],
        scope=pb.SCOPE_OWNED,
        ranker="home",
        fusion="reciprocal-rank",
        page_size=20,
    )
    # Of all that home would ask, the tiny shop has these.
    assert [(depth.source, depth.scope) for depth in configs["home"].sources] == [
        ("history", pb.SCOPE_ANY),
        ("als", pb.SCOPE_NEW),
        ("popular", pb.SCOPE_NEW),
        ("similar-als", pb.SCOPE_NEW),
    ]
    assert configs["discover"].scope == pb.SCOPE_NEW
    assert (configs["similar"].needs_context, configs["similar"].diversity) == (True, 1.0)
    assert (configs["search"].needs_query, configs["search"].relevance) == (True, built_in()["search"].relevance)
    assert [(name, configs[name].relevance) for name in configs if not configs[name].needs_query] == [
        (name, 0.0) for name in ("buy-again", "discover", "home", "similar")
    ]


def test_a_trained_ranker_is_named_with_its_fusion(tmp_path: Path, listen: Callable[..., str]) -> None:
    publish_tiny(tmp_path, ranked=True)

    with grpc.insecure_channel(listen(tmp_path)) as channel:
        answer = SnapshotServiceStub(channel).ListServingConfigs(pb.ListServingConfigsRequest())

    orders = {config.name: (config.ranker, config.fusion) for config in answer.serving_configs}
    assert orders["discover"] == ("discover", "forest")
    assert orders["similar"] == ("", "reciprocal-rank")


def test_a_declared_serving_config_travels_with_the_snapshot_and_answers(
    tmp_path: Path, listen: Callable[..., str]
) -> None:
    mail = ServingConfig(
        "mail",
        (Depth("popular", 30, Scope.NEW),),
        scope=Scope.NEW,
        page_size=3,
        spread=0.25,
        description="Three for the weekly mail",
    )
    snapshot = tiny_snapshot(1)
    version = commit_tiny(tmp_path, replace(snapshot, configs={**snapshot.configs, "mail": mail}))
    SnapshotStore(tmp_path).publish(version)

    with grpc.insecure_channel(listen(tmp_path)) as channel:
        stub = SnapshotServiceStub(channel)
        listed = stub.ListServingConfigs(pb.ListServingConfigsRequest()).serving_configs
        names = list(stub.GetServing(pb.GetServingRequest()).serving_configs)
        request = RecommendRequest(user_id="user-03", serving_config="mail")
        answer = RecommendationServiceStub(channel).Recommend(request)

    assert [config.name for config in listed] == names == ["buy-again", "discover", "home", "mail", "search", "similar"]
    assert listed[3] == pb.ServingConfig(
        name="mail",
        description="Three for the weekly mail",
        sources=[pb.SourceDepth(source="popular", depth=30, scope=pb.SCOPE_NEW)],
        scope=pb.SCOPE_NEW,
        fusion="reciprocal-rank",
        page_size=3,
        spread=0.25,
        policies=["spread"],
    )
    assert len(answer.results) == 3


def test_serving_configs_need_a_snapshot(
    tmp_path: Path, serve: Callable[..., grpc.Channel], failure_of: Callable[..., Any]
) -> None:
    stub = SnapshotServiceStub(serve(tmp_path))

    failure = failure_of(lambda: stub.ListServingConfigs(pb.ListServingConfigsRequest()))

    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.details["ErrorInfo"].reason == "NO_SNAPSHOT"
