"""Explanations over a real connection: parts that sum to scores, a page cap, languages, and only what is true."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.features.groups import GROUPS
from recsys.fusion import LinearFusion
from recsys.model import Snapshot
from server.settings import Settings
from server.worker import Worker
from tests.every_fusion import every_fusion

from .tiny_shop import LAST_EVENT_AT, N_USERS

AT = Timestamp(seconds=LAST_EVENT_AT + 1)
WEIGHED = LinearFusion(
    ("als_rank", "item_price", "own_due"), centres=(0.0, 5.0, 1.0), scales=(1.0, 2.0, 0.5), weights=(2.0, -1.5, 0.25)
)
FUSIONS = every_fusion(WEIGHED, scorer="als")


def full(user_id: str = "user-03", **fields: object) -> pb.RecommendRequest:
    return pb.RecommendRequest(user_id=user_id, at=AT, explain=pb.EXPLAIN_FULL, **fields)  # type: ignore[arg-type]


def require_sums(response: pb.RecommendResponse) -> None:
    assert response.results
    for result in response.results:
        assert [part.group for part in result.contributions] == [*GROUPS, "bias"]
        assert sum(part.value for part in result.contributions) == pytest.approx(result.score, abs=1e-4)


@pytest.mark.parametrize("kind", FUSIONS)
def test_parts_sum_to_the_score_whatever_made_the_order(
    tmp_path: Path, publish: Callable[..., str], listen: Callable[..., str], kind: str
) -> None:
    publish(tmp_path, ranked=True, fusions={"home": FUSIONS[kind]})
    with grpc.insecure_channel(listen(tmp_path)) as channel:
        stub = RecommendationServiceStub(channel)
        for user_id in ("user-03", "user-17", "nobody"):
            require_sums(stub.Recommend(full(user_id)))
        require_sums(stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03", at=AT, explain=pb.EXPLAIN_FULL)))
        batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[full("user-03"), full("user-04", page_size=3)]))
        for entry in batch.responses:
            require_sums(entry.response)


@pytest.mark.parametrize(("asked", "given"), [(0, 20), (7, 7), (21, 20), (200, 20)])
def test_a_full_explanation_caps_the_page(stub: RecommendationServiceStub, asked: int, given: int) -> None:
    response = stub.Recommend(full(page_size=asked))
    assert len(response.results) == given
    summary = stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT, page_size=50, explain=pb.EXPLAIN_SUMMARY))
    assert len(summary.results) == 50
    assert [r.item_id for r in response.results] == [r.item_id for r in summary.results[:given]]


def test_a_full_explanation_is_a_summary_and_parts(stub: RecommendationServiceStub) -> None:
    whole = stub.Recommend(full())
    summary = stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT, explain=pb.EXPLAIN_SUMMARY))
    assert not any(result.contributions for result in summary.results)
    for result in whole.results:
        del result.contributions[:]
    # What is never the same twice.
    for response in (whole, summary):
        for field in ("request_id", "attribution_token", "next_page_token"):
            response.ClearField(field)
    assert whole == summary


@pytest.fixture(scope="module")
def shop_of_purchases(
    tmp_path_factory: pytest.TempPathFactory, publish: Callable[..., str], settings_for: Callable[..., Settings]
) -> Iterator[RecommendationServiceStub]:
    root = tmp_path_factory.mktemp("purchases")
    publish(root, target_types=["purchase"])
    serving = threading.Event()
    worker = Worker(settings_for(root), lambda state: serving.set() if state["state"] == "serving" else None)
    worker.start()
    assert serving.wait(60)
    with grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        yield RecommendationServiceStub(channel)
    worker.stop()


def said(stub: RecommendationServiceStub, *languages: str, **fields: object) -> list[tuple[str, str, str]]:
    """(item, code, text) of a long page's reasons."""
    request = pb.RecommendRequest(at=AT, page_size=200, explain=pb.EXPLAIN_SUMMARY, **fields)  # type: ignore[arg-type]
    response = stub.Recommend(request, metadata=[("accept-language", language) for language in languages])
    return [(result.item_id, reason.code, reason.text) for result in response.results for reason in result.reasons]


@pytest.mark.parametrize(
    ("languages", "popular"),
    [
        ((), "Popular now"),
        (("zh-CN,zh;q=0.9",), "近期热门"),
        (("en;q=0.5, zh;q=0.7",), "近期热门"),
        (("ja",), "Popular now"),
        (("ja", "zh"), "近期热门"),
        (("nonsense;;q", "zh;q=0"), "Popular now"),
    ],
)
def test_reasons_come_in_the_language_the_caller_prefers(
    stub: RecommendationServiceStub, languages: tuple[str, ...], popular: str
) -> None:
    texts = {text for _, code, text in said(stub, *languages) if code == "POPULAR"}
    assert texts == {popular}


def test_a_batch_speaks_the_language_of_its_call(stub: RecommendationServiceStub) -> None:
    request = pb.RecommendRequest(at=AT, explain=pb.EXPLAIN_SUMMARY)
    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[request]), metadata=[("accept-language", "zh")])
    assert "近期热门" in {reason.text for result in batch.responses[0].response.results for reason in result.reasons}


def test_the_words_are_those_of_what_is_predicted(
    stub: RecommendationServiceStub, shop_of_purchases: RecommendationServiceStub
) -> None:
    neutral, bought = (said(one, user_id="user-03") for one in (stub, shop_of_purchases))
    assert [code for _, code, _ in neutral] == [code for _, code, _ in bought]
    assert any(text.startswith("You bought this") for _, _, text in bought)
    assert not any(re.search(r"\b(buy|bought)\b", text) for _, _, text in neutral)


@pytest.mark.parametrize("clock", ["snapshot", "now"])
def test_habits_of_data_that_ended_long_ago_go_on_by_the_snapshots_clock_alone(
    snapshots: Path, listen: Callable[..., str], clock: str
) -> None:
    request = pb.RecommendRequest(page_size=200, explain=pb.EXPLAIN_SUMMARY)
    with grpc.insecure_channel(listen(snapshots, clock=clock)) as channel:
        stub = RecommendationServiceStub(channel)
        codes: set[str] = set()
        for user in range(N_USERS):
            request.user_id = f"user-{user:02d}"
            codes |= {reason.code for result in stub.Recommend(request).results for reason in result.reasons}

    assert "BOUGHT_BEFORE" in codes
    assert ("REGULAR" in codes) is (clock == "snapshot")


def test_own_records_and_named_items_are_those_of_the_history(
    shop_of_purchases: RecommendationServiceStub, tiny: Callable[[int], Snapshot]
) -> None:
    snapshot = tiny(1)
    codes: Counter[str] = Counter()
    for user in range(N_USERS):
        history = snapshot.histories.of(user)
        request = pb.RecommendRequest(user_id=f"user-{user:02d}", at=AT, page_size=200, explain=pb.EXPLAIN_SUMMARY)
        owned = set(snapshot.catalogue.items.ids(history.owned))
        for result in shop_of_purchases.Recommend(request).results:
            times = np.unique(history.times[history.items == snapshot.catalogue.items.number(result.item_id)])
            for reason in result.reasons:
                codes[reason.code] += 1
                assert set(reason.item_ids) <= owned
                assert (reason.code in ("REGULAR", "BOUGHT_BEFORE")) is (result.item_id in owned)
                if count := re.search(r"this (\d+) times", reason.text):
                    assert int(count[1]) == len(times)
                if days := re.search(r"(\d+) days ago$", reason.text):
                    assert abs((AT.seconds - times.max()) / 86_400 - int(days[1])) <= 0.5
                if every := re.search(r"every (\d+) days", reason.text):
                    assert abs(np.diff(times).mean() / 86_400 - int(every[1])) <= 0.5
                if reason.code == "POPULAR":
                    sold = snapshot.model.context.statistics.column("users_4w")
                    assert sold[snapshot.catalogue.items.number(result.item_id)] > 0
    # Each of them was put to the test.
    assert {"REGULAR", "BOUGHT_BEFORE", "TASTE", "POPULAR"} <= set(codes)
