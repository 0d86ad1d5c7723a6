"""What the README says of states of the server, row by row and over the wire."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.errors import NoSnapshot, Unavailable
from recsys.pipeline import Pipeline
from recsys.query import Hits, Query, Recommendation
from recsys.sources.factors import Factors
from recsys.sources.popular import Popular
from server.costs import Costs
from server.live import KEPT_S, Live, Serving
from server.page_tokens import LIFETIME_S

from .bare_server import PATIENCE_S, StandingClock, answering, read, served, serving, slow_ranking, slow_source
from .paged import AT, ids
from .readme_rows import ROWS, Row

LONG_S = 60


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """What the README says of the test that asks."""
    return ROWS[request.node.originalname]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, publish: Callable[..., str]) -> tuple[Serving, Serving]:
    """An old and a new snapshot, the old one ranked."""
    root = tmp_path_factory.mktemp("two")
    publish(root, 1, ranked=True)
    old = read(root)
    publish(root, 2)
    return serving(old), serving(read(root))


@pytest.fixture
def live(two: tuple[Serving, Serving]) -> Live:
    """A process that serves the old one of ``two``."""
    live = Live(NoSnapshot())
    live.swap(two[0])
    return live


@pytest.fixture
def old_one(live: Live) -> Iterator[RecommendationServiceStub]:
    with answering(live) as stub:
        yield stub


def asked(**fields: Any) -> pb.RecommendRequest:
    return pb.RecommendRequest(**{"user_id": "user-03", "at": AT, "page_size": 5, **fields})


def test_a_source_fails(old_one: RecommendationServiceStub, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Factors, query: Query, k: int) -> Hits:
        raise ValueError("a bug in a source")

    monkeypatch.setattr(Factors, "retrieve", broken)

    answer = old_one.Recommend(asked())

    row.is_answered(answer)
    assert list(answer.degraded_reasons) == ["source_failed:als"]
    assert len(answer.results) == 5


def test_the_deadline_is_near(two: tuple[Serving, Serving], row: Row) -> None:
    costs = Costs(StandingClock())
    slow_source(costs, "als")
    slow_ranking(costs)
    with served(two[0].snapshot, costs) as stub:
        answer = stub.Recommend(asked(), timeout=PATIENCE_S)

    row.is_answered(answer)
    assert list(answer.degraded_reasons) == ["source_skipped:als", "stage_skipped:rank"]
    assert len(answer.results) == 5


def test_the_deadline_has_passed(two: tuple[Serving, Serving], row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StandingClock()
    retrieve, entered, release = Popular.retrieve, threading.Event(), threading.Event()

    def late(self: Popular, query: Query, k: int) -> Hits:
        clock.s += 2 * PATIENCE_S
        entered.set()
        assert release.wait(LONG_S)
        return retrieve(self, query, k)

    monkeypatch.setattr(Popular, "retrieve", late)
    with served(two[0].snapshot, Costs(clock)) as stub:
        running = stub.BatchRecommend.future(pb.BatchRecommendRequest(requests=[asked()] * 3), timeout=PATIENCE_S)
        assert entered.wait(LONG_S)
        # The only thread is busy: this one's deadline passes in the queue, and it is never begun.
        with pytest.raises(grpc.RpcError) as raised:
            stub.Recommend(asked(), timeout=0.05)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        release.set()
        first, *others = running.result().responses

    assert len(first.response.results) == 5
    for entry in others:
        info = ErrorInfo()
        assert any(detail.Unpack(info) for detail in entry.status.details)
        assert info.reason == "DEADLINE_PASSED"
        row.is_refused(grpc.StatusCode.DEADLINE_EXCEEDED, {"ErrorInfo": info})
        assert entry.status.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


def test_an_expired_page_token(live: Live, row: Row, failure_of: Callable[..., Any]) -> None:
    seconds = 1_700_000_000
    with answering(live, now=lambda: seconds) as stub:
        token = stub.Recommend(asked()).next_page_token
        seconds += LIFETIME_S
        assert stub.Recommend(pb.RecommendRequest(page_token=token)).results
        seconds += 1
        failure = failure_of(lambda: stub.Recommend(pb.RecommendRequest(page_token=token)))

    row.is_refused(failure.code, failure.details)
    assert failure.message == "page_token is 1801 s old and good for 1800 s: begin the list again"


def test_a_page_token_after_a_swap(
    live: Live, old_one: RecommendationServiceStub, two: tuple[Serving, Serving], row: Row
) -> None:
    whole = old_one.Recommend(asked(page_size=10))
    first = old_one.Recommend(asked())
    live.swap(two[1])

    second = old_one.Recommend(pb.RecommendRequest(page_token=first.next_page_token))

    row.is_answered(second)
    assert second.snapshot_version == first.snapshot_version == two[0].snapshot.version
    assert ids(first, second) == ids(whole)
    assert old_one.Recommend(asked()).snapshot_version == two[1].snapshot.version


def test_a_page_token_whose_snapshot_is_gone(
    live: Live,
    old_one: RecommendationServiceStub,
    two: tuple[Serving, Serving],
    row: Row,
    failure_of: Callable[..., Any],
) -> None:
    token = old_one.Recommend(asked()).next_page_token
    # Since this moment, as a process has it that has just swapped: longer ago, it would ask to be asked again.
    live.swap(replace(two[1], since_s=float("inf")))
    live.forget(float("inf"))

    failure = failure_of(lambda: old_one.Recommend(pb.RecommendRequest(page_token=token)))

    assert KEPT_S == LIFETIME_S
    row.is_refused(failure.code, failure.details)
    assert "no longer loaded: begin the list again" in failure.message


def test_no_snapshot_has_been_published(row: Row, failure_of: Callable[..., Any]) -> None:
    with answering(Live(NoSnapshot())) as stub:
        failure = failure_of(lambda: stub.Recommend(asked()))

    row.is_refused(failure.code, failure.details)


def test_the_server_is_starting(row: Row, failure_of: Callable[..., Any]) -> None:
    with answering(Live(Unavailable())) as stub:
        failure = failure_of(lambda: stub.Recommend(asked()))

    row.is_refused(failure.code, failure.details)


def test_a_swap_is_in_progress(
    live: Live,
    old_one: RecommendationServiceStub,
    two: tuple[Serving, Serving],
    row: Row,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recommend_many = Pipeline.recommend_many

    def swapping(self: Pipeline, queries: Sequence[Query], *budget: Any) -> list[Recommendation]:
        live.swap(two[1])
        return recommend_many(self, queries, *budget)

    expected = ids(old_one.Recommend(asked()))
    monkeypatch.setattr(Pipeline, "recommend_many", swapping)

    under_way, later = old_one.Recommend(asked()), old_one.Recommend(asked())

    row.is_answered(under_way, later)
    assert ids(under_way) == expected
    versions = [answer.snapshot_version for answer in (under_way, later)]
    assert versions == [held.snapshot.version for held in two]


def test_too_many_calls_at_once(
    snapshots: Path,
    listen: Callable[..., str],
    row: Row,
    failure_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retrieve, entered, release = Popular.retrieve, threading.Event(), threading.Event()

    def slow(self: Popular, query: Query, k: int) -> Hits:
        entered.set()
        assert release.wait(LONG_S)
        return retrieve(self, query, k)

    target = listen(snapshots, max_concurrent=1)
    monkeypatch.setattr(Popular, "retrieve", slow)
    with grpc.insecure_channel(target) as channel:
        stub = RecommendationServiceStub(channel)
        running = stub.Recommend.future(asked(), timeout=LONG_S)
        assert entered.wait(LONG_S)
        failure = failure_of(lambda: stub.Recommend(asked()))
        release.set()
        assert running.result().results

    row.is_refused(failure.code, failure.details)
