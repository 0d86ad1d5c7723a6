"""Near its deadline a call gets an answer that is worse and says so; lists and batches stay whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.ask import Ask
from recsys.model import Snapshot
from recsys.query import Hits, Query
from recsys.serving import Depth, ServingConfig
from recsys.sources.own_history import OwnHistory
from recsys.sources.popular import Popular
from server.costs import HALF_LIFE_S, Costs
from server.deadlines import BATCH_PART, ON_THE_WAY_S, ROWS_BESIDE, Deadline

from .bare_server import PATIENCE_S, StandingClock, read, served, slow_ranking, slow_source
from .paged import AT, ids, rows

USER = "user-03"
ALL_SKIPPED = ["source_skipped:als", "source_skipped:similar-als", "stage_skipped:rank"]
EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, publish: Callable[..., str]) -> Snapshot:
    root = tmp_path_factory.mktemp("ranked")
    publish(root, ranked=True)
    return read(root)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def costs(clock: StandingClock) -> Costs:
    return Costs(clock)


@pytest.fixture
def stub(snapshot: Snapshot, costs: Costs) -> Iterator[RecommendationServiceStub]:
    with served(snapshot, costs) as stub:
        yield stub


def request(**fields: Any) -> pb.RecommendRequest:
    return pb.RecommendRequest(**{"user_id": USER, "at": AT, "page_size": 10, **fields})


def test_without_time_to_rank_the_answer_is_in_retrieval_order_and_says_so(
    stub: RecommendationServiceStub, costs: Costs, snapshot: Snapshot
) -> None:
    whole = stub.Recommend(request(), timeout=PATIENCE_S)
    slow_ranking(costs)
    for _ in range(100):
        slow_ranking(costs)

    cut = stub.Recommend(request(explain=pb.EXPLAIN_FULL), timeout=PATIENCE_S)

    assert list(whole.degraded_reasons) == []
    assert list(cut.degraded_reasons) == ["stage_skipped:rank"]
    by_ranks = replace(snapshot, pipeline=replace(snapshot.pipeline, rankers={}, fusions={}))
    assert ids(cut) == list(by_ranks.answer(Ask(at=AT.seconds, user_id=USER, limit=10)))
    assert ids(cut) != ids(whole)
    assert all(result.sources and result.reasons and not result.contributions for result in cut.results)


def test_a_call_without_a_deadline_is_ranked_whatever_that_costs(stub: RecommendationServiceStub, costs: Costs) -> None:
    before = stub.Recommend(request())
    slow_ranking(costs)
    slow_source(costs, "als")

    after = stub.Recommend(request())

    assert list(after.degraded_reasons) == []
    assert rows(after) == rows(before)


def test_a_source_that_would_overrun_is_not_asked_and_the_others_are_ranked(
    stub: RecommendationServiceStub, costs: Costs
) -> None:
    slow_source(costs, "als")

    answer = stub.Recommend(request(explain=pb.EXPLAIN_SUMMARY), timeout=PATIENCE_S)

    assert list(answer.degraded_reasons) == ["source_skipped:als"]
    assert len(answer.results) == 10
    assert "als" not in {hit.name for result in answer.results for hit in result.sources}


def test_a_retrieval_that_overruns_stops_asking_and_answers_with_what_there_is(
    stub: RecommendationServiceStub, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = OwnHistory.retrieve

    def overrunning(self: OwnHistory, query: Query, k: int) -> Hits:
        clock.s += PATIENCE_S
        return own(self, query, k)

    monkeypatch.setattr(OwnHistory, "retrieve", overrunning)
    answer = stub.Recommend(request(), timeout=PATIENCE_S)

    assert list(answer.degraded_reasons) == ALL_SKIPPED
    assert len(answer.results) == 10


def test_costs_are_measured_in_calls_with_a_deadline_and_ranking_is_tried_again_in_time(
    stub: RecommendationServiceStub, costs: Costs, clock: StandingClock
) -> None:
    stub.Recommend(request(), timeout=PATIENCE_S)
    measured = costs.expected_s(frozenset({"home"}), ROWS_BESIDE)
    assert 0 < measured < PATIENCE_S
    assert 0 < costs.expected_s(("source", "als")) < PATIENCE_S

    costs.learn(frozenset({"discover"}), 4 * PATIENCE_S, ROWS_BESIDE)
    discover = request(serving_config="discover")
    assert list(stub.Recommend(discover, timeout=PATIENCE_S).degraded_reasons) == ["stage_skipped:rank"]
    clock.s += 4 * HALF_LIFE_S
    assert list(stub.Recommend(discover, timeout=PATIENCE_S).degraded_reasons) == []
    assert costs.expected_s(frozenset({"discover"}), ROWS_BESIDE) < PATIENCE_S


def test_pages_after_a_degraded_one_are_the_ranked_list_without_what_it_showed(
    stub: RecommendationServiceStub, costs: Costs
) -> None:
    whole = stub.Recommend(request(page_size=200))
    slow_ranking(costs)
    first = stub.Recommend(request(), timeout=PATIENCE_S)
    answers = [first]
    while answers[-1].next_page_token:
        answers.append(stub.Recommend(pb.RecommendRequest(page_token=answers[-1].next_page_token)))

    assert first.degraded_reasons
    assert ids(first) != ids(whole)[:10]
    assert not any(answer.degraded_reasons for answer in answers[1:])
    assert ids(*answers[1:]) == [id for id in ids(whole) if id not in set(ids(first))]


def test_a_page_that_is_degraded_repeats_nothing_and_loses_nothing(
    stub: RecommendationServiceStub, costs: Costs
) -> None:
    whole = stub.Recommend(request(page_size=200))
    answers = [stub.Recommend(request(), timeout=PATIENCE_S)]
    slow_source(costs, "als")
    for _ in range(60):
        slow_source(costs, "als")
        slow_ranking(costs)
    answers.append(stub.Recommend(pb.RecommendRequest(page_token=answers[0].next_page_token), timeout=PATIENCE_S))
    while answers[-1].next_page_token:
        answers.append(stub.Recommend(pb.RecommendRequest(page_token=answers[-1].next_page_token)))

    assert list(answers[1].degraded_reasons) == ["source_skipped:als", "stage_skipped:rank"]
    assert ids(answers[0]) == ids(whole)[:10]
    assert sorted(ids(*answers)) == sorted(ids(whole))


def test_a_page_left_short_by_a_skipped_source_says_so_and_its_list_goes_on(snapshot: Snapshot, costs: Costs) -> None:
    pair = ServingConfig("pair", (Depth("history", 100), Depth("als", 60)), ranker="home")
    with served(replace(snapshot, configs={"pair": pair}), costs) as stub:
        asked = request(serving_config="pair", page_size=50)
        whole = stub.Recommend(request(serving_config="pair", page_size=200))
        slow_source(costs, "als")
        first = stub.Recommend(asked, timeout=PATIENCE_S)
        rest = stub.Recommend(pb.RecommendRequest(page_token=first.next_page_token, page_size=200))

    n = len(first.results)
    assert 0 < n < 50
    assert list(first.warnings) == [f"only {n} of 50 results: not every source was heard, see degraded_reasons"]
    assert sorted(ids(first, rest)) == sorted(ids(whole))
    assert not rest.next_page_token


def test_a_batch_ranks_first_then_answers_in_retrieval_order_then_gives_statuses(
    stub: RecommendationServiceStub, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieve = Popular.retrieve
    n_requests, each_s = 2 * BATCH_PART + 10, 2 * PATIENCE_S / BATCH_PART

    def slow(self: Popular, query: Query, k: int) -> Hits:
        clock.s += each_s
        return retrieve(self, query, k)

    monkeypatch.setattr(Popular, "retrieve", slow)
    batch = pb.BatchRecommendRequest(requests=[request()] * n_requests)
    answered = stub.BatchRecommend(batch, timeout=PATIENCE_S)

    outcomes = [entry.WhichOneof("outcome") for entry in answered.responses]
    n_answered = outcomes.index("status")
    assert outcomes == ["response"] * n_answered + ["status"] * (n_requests - n_answered)
    assert n_answered == 1 + BATCH_PART
    degraded = [list(entry.response.degraded_reasons) for entry in answered.responses[:n_answered]]
    assert degraded[0] == []
    assert degraded[-1] == ALL_SKIPPED
    assert all(len(entry.response.results) == 10 for entry in answered.responses[:n_answered])
    assert {entry.status.code for entry in answered.responses[n_answered:]} == {EXCEEDED}
    assert answered.responses[-1].status.message == "the deadline passed before the work was started"


def test_a_batch_keeps_time_for_all_its_requests_rather_than_rank_the_first(
    stub: RecommendationServiceStub, costs: Costs
) -> None:
    n_requests = BATCH_PART + 8
    costs.learn("retrieval", 0.9 * PATIENCE_S / n_requests)
    costs.learn(frozenset({"home"}), 0.5 * PATIENCE_S, ROWS_BESIDE)

    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[request()] * n_requests), timeout=PATIENCE_S)

    assert all(entry.WhichOneof("outcome") == "response" for entry in batch.responses)
    assert list(batch.responses[0].response.degraded_reasons) == ["stage_skipped:rank"]


def test_the_log_says_what_was_degraded_and_how_many_of_a_batch(
    stub: RecommendationServiceStub, costs: Costs, caplog: pytest.LogCaptureFixture
) -> None:
    slow_source(costs, "als")
    with caplog.at_level(logging.INFO, "server.calls"):
        stub.Recommend(request(), timeout=PATIENCE_S)
        stub.BatchRecommend(
            pb.BatchRecommendRequest(requests=[request(), request(serving_config="buy-again")]), timeout=PATIENCE_S
        )

    one, batch = (record.__dict__["fields"] for record in caplog.records)
    assert one["degraded"] == ["source_skipped:als"]
    assert batch["n_degraded"] == 1


def test_an_answer_is_ready_before_the_caller_stops_waiting_by_a_clock_that_grpc_rounded(costs: Costs) -> None:
    # gRPC sends 1001 ms as 1010 ms, and takes what it is told for the deadline.
    assert Deadline.of(1.010, costs).left_s < 1.001 - ON_THE_WAY_S
    assert Deadline.of(0.02, costs).left_s == pytest.approx(0.02 - ON_THE_WAY_S, abs=0.001)
