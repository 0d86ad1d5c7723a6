"""From tables to answers: a server on a snapshot that the rebuild command published, asked by a real client."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status

from protos.recommender.v1.recommendation_service_pb2 import (
    EXPLAIN_FULL,
    EXPLAIN_SUMMARY,
    SERVED_BY_PERSONALISED,
    SERVED_BY_POPULAR,
    SERVED_BY_SEGMENT,
    BatchRecommendRequest,
    RecommendRequest,
    RecommendResponse,
    SimilarItemsRequest,
)
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import GetServingRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.model import Snapshot
from recsys.serving import Scope, built_in
from server.channel import connect

USER, CHINESE_USER, CHINESE_ITEM = "user-003", "用户-001", "商品-01"
AT_S = 1_751_414_400  # 2025-07-02, after the last event
EARLIER_S = 1_746_057_600  # 2025-05-01


@pytest.fixture(scope="module")
def channel(world_target: str) -> Iterator[grpc.Channel]:
    with connect(world_target) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> Any:
    return RecommendationServiceStub(channel)


@pytest.fixture(scope="module")
def bought(shop: Any) -> Callable[[str], set[str]]:
    """``bought(user_id)``: what the user has purchased."""
    purchases = shop.events.filter(shop.events["event_type"] == "purchase")
    return lambda user_id: set(purchases.filter(purchases["user_id"] == user_id)["item_id"])


def ids(response: RecommendResponse) -> list[str]:
    return [result.item_id for result in response.results]


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as failed:
        call()
    code: grpc.StatusCode = failed.value.code()
    return code


def test_home_mixes_what_the_user_has_with_what_is_new(
    stub: Any, world: Any, bought: Callable[[str], set[str]]
) -> None:
    response = stub.Recommend(RecommendRequest(user_id=USER))
    shown = ids(response)
    assert len(shown) == len(set(shown)) == 20
    assert set(shown) & bought(USER)
    assert set(shown) - bought(USER)
    scores = [result.score for result in response.results]
    # Policies decide what shares a screen of ten; within it the ranker's order stands.
    assert all(ten == sorted(ten, reverse=True) for ten in (scores[:10], scores[10:]))
    assert response.snapshot_version == world.version
    assert response.served_by == SERVED_BY_PERSONALISED
    assert not response.degraded_reasons


def test_a_habit_leads_the_home_list(stub: Any, shop: Any) -> None:
    counts = shop.events.filter(shop.events["event_type"] == "purchase").group_by("user_id", "item_id").len()
    hits = 0
    users = [f"user-{n:03d}" for n in range(2, 42)]
    for user_id in users:
        often = counts.filter((counts["user_id"] == user_id) & (counts["len"] >= 8))["item_id"].to_list()
        hits += ids(stub.Recommend(RecommendRequest(user_id=user_id, page_size=1)))[0] in often
    assert hits >= 0.9 * len(users)


@pytest.mark.parametrize("user_id", [USER, CHINESE_USER, "user-119"])
def test_discover_shows_nothing_the_user_has_and_buy_again_nothing_else(
    stub: Any, bought: Callable[[str], set[str]], user_id: str
) -> None:
    discover = ids(stub.Recommend(RecommendRequest(user_id=user_id, serving_config="discover", page_size=200)))
    again = ids(stub.Recommend(RecommendRequest(user_id=user_id, serving_config="buy-again", page_size=200)))
    assert discover
    assert not set(discover) & bought(user_id)
    assert set(again) == bought(user_id)


def test_strangers_and_nobody_get_what_is_popular(stub: Any) -> None:
    answers = [stub.Recommend(RecommendRequest(user_id=user_id)) for user_id in ("stranger", "", "x" * 128)]
    for response in answers:
        assert len(response.results) == 20
        assert response.served_by == SERVED_BY_POPULAR
    assert ids(answers[0]) == ids(answers[1]) == ids(answers[2])


@pytest.mark.parametrize(("page_size", "n_shown"), [(0, 20), (1, 1), (60, 60)])
def test_page_size_is_how_many_are_shown_and_zero_is_twenty(stub: Any, page_size: int, n_shown: int) -> None:
    response = stub.Recommend(RecommendRequest(user_id=USER, page_size=page_size))
    assert len(response.results) == n_shown
    assert not response.warnings


@pytest.mark.parametrize("page_size", [200, 10_000])
def test_a_page_larger_than_the_shop_holds_all_the_user_has_and_what_the_sources_find_with_a_warning(
    stub: Any, world_snapshot: Snapshot, bought: Callable[[str], set[str]], page_size: int
) -> None:
    response = stub.Recommend(RecommendRequest(user_id=USER, page_size=page_size))
    shown = set(ids(response))
    deepest = max(depth.k for depth in world_snapshot.configs["home"].depths if depth.scope is Scope.NEW)
    assert shown >= bought(USER)
    assert len(shown - bought(USER)) >= min(deepest, 80 - len(bought(USER)))
    assert len(shown) == len(response.results)
    assert response.warnings


def test_a_negative_page_size_is_an_invalid_argument_that_names_the_field(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        stub.Recommend(RecommendRequest(user_id=USER, page_size=-1))
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(failed.value)
    assert status is not None
    assert "page_size must be at least 0, got -1" in status.message


@pytest.mark.parametrize("serving_config", ["home", "discover", "buy-again"])
def test_with_every_item_excluded_the_list_is_empty_and_says_so(stub: Any, serving_config: str) -> None:
    everything = [CHINESE_ITEM if n == 1 else f"item-{n:02d}" for n in range(80)]
    response = stub.Recommend(
        RecommendRequest(user_id=USER, serving_config=serving_config, exclude_item_ids=[*everything, "no-such-item"])
    )
    assert ids(response) == []
    assert list(response.missing_ids) == ["no-such-item"]
    assert response.warnings


def test_an_excluded_item_is_gone_and_the_others_stay(stub: Any) -> None:
    full = ids(stub.Recommend(RecommendRequest(user_id=USER, page_size=80)))
    rest = ids(stub.Recommend(RecommendRequest(user_id=USER, page_size=80, exclude_item_ids=[full[0]])))
    assert set(rest) == set(full[1:])


def test_at_cuts_the_history_there_and_warns(stub: Any, shop: Any) -> None:
    at = Timestamp(seconds=EARLIER_S)
    answer = stub.Recommend(RecommendRequest(user_id=USER, serving_config="buy-again", page_size=200, at=at))
    events = shop.events.filter(shop.events["event_type"] == "purchase")
    earlier = events.filter((events["user_id"] == USER) & (events["timestamp"].dt.epoch("s") < EARLIER_S))
    assert set(ids(answer)) == set(earlier["item_id"])
    assert any("before the snapshot's last event" in warning for warning in answer.warnings)
    before_all = stub.Recommend(RecommendRequest(user_id=USER, at=Timestamp(seconds=86_400)))
    # Without a history yet, only the profile can tell this user from a stranger.
    assert before_all.served_by in (SERVED_BY_SEGMENT, SERVED_BY_POPULAR)


def test_the_same_question_has_the_same_answer(stub: Any) -> None:
    request = RecommendRequest(user_id=USER, explain=EXPLAIN_SUMMARY, at=Timestamp(seconds=AT_S), return_items=True)
    first, second = stub.Recommend(request), stub.Recommend(request)
    assert first.request_id != second.request_id
    for answer in (first, second):
        for field in ("request_id", "attribution_token", "next_page_token"):
            answer.ClearField(field)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_explain_names_sources_and_reasons_and_items_carry_their_titles(stub: Any, world_snapshot: Snapshot) -> None:
    request = RecommendRequest(user_id=USER, page_size=80, explain=EXPLAIN_SUMMARY, return_items=True)
    response = stub.Recommend(request)
    known = set(world_snapshot.pipeline.sources)
    for result in response.results:
        assert {hit.name for hit in result.sources} <= known
        assert all(hit.rank >= 1 for hit in result.sources)
        assert result.sources
        assert result.reasons
        assert all(reason.code.isupper() and reason.text for reason in result.reasons)
    titles = {result.item_id: result.item.title for result in response.results}
    assert titles[CHINESE_ITEM] == "龙井绿茶"
    assert {"history", "popular"} <= {hit.name for result in response.results for hit in result.sources}
    plain = stub.Recommend(RecommendRequest(user_id=USER, page_size=80))
    assert ids(plain) == ids(response)
    assert not any(result.sources or result.reasons for result in plain.results)


def test_a_full_explanation_sums_to_the_scores_and_tells_the_users_own_record(stub: Any, shop: Any) -> None:
    request = RecommendRequest(user_id=USER, page_size=80, explain=EXPLAIN_FULL, at=Timestamp(seconds=AT_S))
    response = stub.Recommend(request, metadata=[("accept-language", "de, zh;q=0.8, en;q=0.7")])
    assert len(response.results) == 20
    bought = shop.events.filter((shop.events["user_id"] == USER) & (shop.events["event_type"] == "purchase"))
    times = Counter(item for item, _ in set(bought.select("item_id", "timestamp").iter_rows()))
    told = 0
    for result in response.results:
        assert sum(part.value for part in result.contributions) == pytest.approx(result.score, abs=1e-4)
        for reason in result.reasons:
            if count := re.search(r"您买过(\d+)次", reason.text):
                assert times[result.item_id] == int(count[1])
                told += 1
            assert reason.code not in ("REGULAR", "BOUGHT_BEFORE") or result.item_id in times
            assert set(reason.item_ids) <= set(times)
            told += reason.code == "REGULAR"
    assert told


def test_an_unknown_serving_config_is_not_found(stub: Any) -> None:
    call = lambda: stub.Recommend(RecommendRequest(user_id=USER, serving_config="away"))  # noqa: E731
    assert code_of(call) is grpc.StatusCode.NOT_FOUND


def test_a_batch_answers_each_question_as_it_would_alone(stub: Any, world: Any) -> None:
    # The server's clock goes on between the two calls, and with it the age of everything.
    at = Timestamp(seconds=AT_S)
    requests = [
        RecommendRequest(user_id=USER, at=at),
        RecommendRequest(user_id=CHINESE_USER, serving_config="discover", page_size=7, at=at),
        RecommendRequest(user_id="stranger", at=at),
        RecommendRequest(user_id=USER, page_size=-1),
        RecommendRequest(user_id=USER, serving_config="away"),
    ]
    batch = stub.BatchRecommend(BatchRecommendRequest(requests=requests))
    assert batch.snapshot_version == world.version
    outcomes = [entry.WhichOneof("outcome") for entry in batch.responses]
    assert outcomes == ["response", "response", "response", "status", "status"]
    codes = [entry.status.code for entry in batch.responses[3:]]
    assert codes == [grpc.StatusCode.INVALID_ARGUMENT.value[0], grpc.StatusCode.NOT_FOUND.value[0]]
    for request, entry in zip(requests[:3], batch.responses, strict=False):
        assert entry.response.results == stub.Recommend(request).results


def test_items_similar_to_a_tea_are_mostly_teas_and_never_itself(stub: Any, shop: Any) -> None:
    kind = dict(zip(shop.items["item_id"], shop.items["category"], strict=True))
    same = total = 0
    for item_id in ("item-00", "item-06", "item-12", "item-18"):
        shown = ids(stub.SimilarItems(SimilarItemsRequest(item_id=item_id, page_size=8)))
        assert len(shown) == 8
        assert item_id not in shown
        same += sum(kind[other] == kind[item_id] for other in shown)
        total += 8
    assert same > total / 2


def test_an_unknown_item_has_nothing_similar(stub: Any) -> None:
    assert code_of(lambda: stub.SimilarItems(SimilarItemsRequest(item_id="no-such"))) is grpc.StatusCode.NOT_FOUND


def test_the_server_says_what_it_serves_and_is_healthy(channel: grpc.Channel, world: Any, shop: Any) -> None:
    serving = SnapshotServiceStub(channel).GetServing(GetServingRequest())
    assert serving.snapshot_version == world.version
    assert (serving.n_users, serving.n_items) == (120, 80)
    # Whatever does not pay is left out, but never these.
    always = {"history", "popular", "als", "content", "similar-als", "similar-content"}
    assert always <= set(serving.sources) <= always | {depth.source for depth in built_in()["home"].depths}
    assert {"home", "discover", "buy-again", "similar"} <= set(serving.serving_configs)
    seconds = shop.events["timestamp"].dt.epoch("s")
    window = (serving.event_window_start.seconds, serving.event_window_end.seconds)
    assert window == (seconds.min(), seconds.max())
    assert HealthStub(channel).Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
