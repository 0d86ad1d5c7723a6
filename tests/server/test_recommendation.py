"""Answers over a real connection, from a tiny published snapshot."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.arrays import frozen
from recsys.filters.columns import Column, Numbers, Texts
from recsys.filters.dictionary import Coded
from recsys.model import Snapshot
from recsys.query import Hits, Query
from recsys.snapshot.store import SnapshotStore
from recsys.sources.factors import Factors

from .tiny_shop import ALL_ITEMS, LAST_EVENT_AT, N_ITEMS, commit_tiny, tiny_snapshot

AT = Timestamp(seconds=LAST_EVENT_AT + 1)
OUT_OF_STOCK = "1-i05"


def ids(response: pb.RecommendResponse) -> list[str]:
    return [result.item_id for result in response.results]


def question(response: pb.RecommendResponse) -> bytes:
    """The response without what may differ between equal calls."""
    copy = pb.RecommendResponse()
    copy.CopyFrom(response)
    for field in ("request_id", "attribution_token", "next_page_token"):
        copy.ClearField(field)
    return copy.SerializeToString(deterministic=True)


def test_an_answer_is_ordered_unique_and_names_its_snapshot_and_call(stub: RecommendationServiceStub) -> None:
    response = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=10, at=AT))

    scores = [result.score for result in response.results]
    assert len(response.results) == len(set(ids(response))) == 10
    assert scores == sorted(scores, reverse=True)
    assert response.served_by == pb.SERVED_BY_PERSONALISED
    assert response.snapshot_version
    assert len(response.request_id) == 32


def test_the_same_question_has_the_same_bytes_but_for_the_request_id_and_tokens(
    stub: RecommendationServiceStub,
) -> None:
    request = pb.RecommendRequest(user_id="user-03", at=AT, explain=pb.EXPLAIN_SUMMARY, return_items=True)

    first, second = stub.Recommend(request), stub.Recommend(request)

    assert question(first) == question(second)
    assert first.request_id != second.request_id


@pytest.mark.parametrize(("asked", "given"), [(0, 20), (1, 1), (59, 59), (10_000, 59)])
def test_page_size_zero_means_twenty_and_the_catalogue_is_the_limit(
    stub: RecommendationServiceStub, asked: int, given: int
) -> None:
    response = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=asked, at=AT))

    assert len(response.results) == given
    assert [w for w in response.warnings if w.startswith("only")] == (
        ["only 59 of 200 results: no more items fit serving config home"] if asked == 10_000 else []
    )


def test_an_unknown_user_is_answered_by_popularity(stub: RecommendationServiceStub) -> None:
    unknown = stub.Recommend(pb.RecommendRequest(user_id="nobody", page_size=5, at=AT))
    nameless = stub.Recommend(pb.RecommendRequest(page_size=5, at=AT))

    assert unknown.served_by == nameless.served_by == pb.SERVED_BY_POPULAR
    assert ids(unknown) == ids(nameless)


def test_a_visitor_id_stands_in_for_a_missing_user_id_only(stub: RecommendationServiceStub) -> None:
    as_user = stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT))
    as_visitor = stub.Recommend(pb.RecommendRequest(visitor_id="user-03", at=AT))
    both = stub.Recommend(pb.RecommendRequest(user_id="user-03", visitor_id="user-04", at=AT))

    assert question(as_user) == question(as_visitor) == question(both)


def test_excluded_items_never_appear_and_unknown_ones_are_named_once(stub: RecommendationServiceStub) -> None:
    first = ids(stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=5, at=AT)))

    request = pb.RecommendRequest(user_id="user-03", page_size=50, at=AT, exclude_item_ids=[*first, "x", "茶", "x"])
    response = stub.Recommend(request)

    assert not set(first) & set(ids(response))
    assert list(response.missing_ids) == ["x", "茶"]


def test_excluding_everything_is_an_empty_answer_with_a_warning(stub: RecommendationServiceStub) -> None:
    response = stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT, exclude_item_ids=ALL_ITEMS))

    assert ids(response) == []
    assert list(response.warnings) == ["only 0 of 20 results: no more items fit serving config home"]


def test_what_is_out_of_stock_appears_only_when_asked_for(stub: RecommendationServiceStub) -> None:
    without = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=200, at=AT))
    with_it = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=200, at=AT, include_out_of_stock=True))

    assert OUT_OF_STOCK not in ids(without)
    assert OUT_OF_STOCK in ids(with_it)


def test_discover_and_buy_again_part_the_catalogue(stub: RecommendationServiceStub) -> None:
    new, owned = (
        set(ids(stub.Recommend(pb.RecommendRequest(user_id="user-03", serving_config=name, page_size=200, at=AT))))
        for name in ("discover", "buy-again")
    )

    assert new
    assert owned
    assert not new & owned


def test_without_explain_there_is_no_account_and_no_item(stub: RecommendationServiceStub) -> None:
    for explain in (pb.EXPLAIN_UNSPECIFIED, pb.EXPLAIN_NONE):
        response = stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT, explain=explain))

        assert not any(r.sources or r.reasons or r.HasField("item") for r in response.results)


def test_a_summary_gives_every_result_sources_from_rank_one_and_reasons(stub: RecommendationServiceStub) -> None:
    response = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=200, at=AT, explain=pb.EXPLAIN_SUMMARY))

    assert all(result.sources and result.reasons for result in response.results)
    for result in response.results:
        ranks = [hit.rank for hit in result.sources]
        assert ranks == sorted(ranks)
        assert all(reason.code and reason.text and set(reason.item_ids) <= set(ALL_ITEMS) for reason in result.reasons)
    popular = sorted(hit.rank for result in response.results for hit in result.sources if hit.name == "popular")
    assert popular[:3] == [1, 2, 3]


def test_returned_items_carry_the_catalogue_and_an_unknown_price_is_absent(stub: RecommendationServiceStub) -> None:
    response = stub.Recommend(pb.RecommendRequest(page_size=200, at=AT, return_items=True))

    items = {result.item_id: result.item for result in response.results}
    assert items["1-i04"].title == "Product 4 茶"
    assert (items["1-i04"].category, items["1-i04"].brand, items["1-i04"].in_stock) == ("Food > Shelf 0", "Own", True)
    assert not items["1-i03"].HasField("price")
    assert all(1 <= item.price < 20 for id, item in items.items() if id != "1-i03")
    assert all(id == item.item_id for id, item in items.items())


def test_returned_items_carry_further_columns_by_the_names_that_filters_know(
    tmp_path: Path, listen: Callable[..., str]
) -> None:
    fat = np.full(N_ITEMS, np.nan)
    fat[[4, 6]] = 3.5, 0.0
    attributes: dict[str, Column] = {
        "fat %": Numbers(frozen(fat, np.float64)),
        "shelf": Texts(Coded.of("oben 茶" if i in (4, 5) else "" for i in range(N_ITEMS))),
    }
    shop = tiny_snapshot(1)
    since = np.zeros(N_ITEMS, np.int64)
    since[4] = 1_400_000_000
    context = replace(shop.model.context, catalogue=replace(shop.catalogue, created_at=frozen(since, np.int64)))
    dated = Snapshot.of(
        replace(shop.model, context=context),
        rankers={},
        users=shop.users,
        histories=shop.histories,
        configs=shop.configs,
        last_event_at=LAST_EVENT_AT,
        attributes=attributes,
    )
    SnapshotStore(tmp_path).publish(commit_tiny(tmp_path, dated))
    request = pb.RecommendRequest(page_size=200, at=AT, return_items=True, include_out_of_stock=True)

    with grpc.insecure_channel(listen(tmp_path)) as channel:
        stub = RecommendationServiceStub(channel)
        items = {result.item_id: result.item for result in stub.Recommend(request).results}
        request.filter = 'attributes."fat %" > 3 AND attributes.shelf:oben AND created_at < 2015-01-01'
        (found,) = stub.Recommend(request).results

    assert found.item == items["1-i04"]
    assert (found.item.attributes["fat %"].number, found.item.attributes["shelf"].text) == (3.5, "oben 茶")
    assert found.item.created_at.seconds == 1_400_000_000
    assert not items["1-i05"].HasField("created_at")
    # A value that is 0 is known; one that is missing is left out.
    assert {name: value.WhichOneof("kind") for name, value in items["1-i06"].attributes.items()} == {"fat %": "number"}
    assert set(items["1-i05"].attributes) == {"shelf"}
    assert not items["1-i07"].attributes


def test_an_at_before_the_last_event_warns_and_cuts_the_history(stub: RecommendationServiceStub) -> None:
    early = Timestamp(seconds=LAST_EVENT_AT - 365 * 86_400)
    response = stub.Recommend(pb.RecommendRequest(user_id="user-03", at=early, page_size=5))

    assert response.served_by == pb.SERVED_BY_POPULAR
    assert any(warning.startswith("at lies before the snapshot's last event") for warning in response.warnings)
    assert not stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT, page_size=5)).warnings


def test_similar_items_leave_the_item_out_and_rest_on_content(stub: RecommendationServiceStub) -> None:
    request = pb.SimilarItemsRequest(item_id="1-i07", page_size=5, at=AT, exclude_item_ids=["1-i08", "x"])
    response = stub.SimilarItems(request)

    assert len(response.results) == 5
    assert not {"1-i07", "1-i08"} & set(ids(response))
    assert response.served_by == pb.SERVED_BY_CONTENT
    assert list(response.missing_ids) == ["x"]


def test_a_batch_answers_each_request_as_recommend_would_from_one_snapshot(stub: RecommendationServiceStub) -> None:
    requests = [pb.RecommendRequest(user_id=f"user-{i % 30:02d}", at=AT, page_size=7) for i in range(70)]

    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests))

    assert {entry.response.snapshot_version for entry in batch.responses} == {batch.snapshot_version}
    assert [question(entry.response) for entry in batch.responses] == [question(stub.Recommend(r)) for r in requests]


def test_a_bad_request_in_a_batch_gets_its_own_status_in_its_place(stub: RecommendationServiceStub) -> None:
    requests = [
        pb.RecommendRequest(user_id="user-01"),
        pb.RecommendRequest(page_size=-1),
        pb.RecommendRequest(serving_config="nope"),
        pb.RecommendRequest(user_id="user-02"),
    ]

    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests))

    outcomes = [entry.WhichOneof("outcome") for entry in batch.responses]
    assert outcomes == ["response", "status", "status", "response"]
    assert batch.responses[1].status.message == "page_size must be at least 0, got -1"
    assert batch.responses[2].status.code == grpc.StatusCode.NOT_FOUND.value[0]


def test_an_empty_batch_is_fine(stub: RecommendationServiceStub) -> None:
    batch = stub.BatchRecommend(pb.BatchRecommendRequest())

    assert list(batch.responses) == []
    assert batch.snapshot_version


def test_a_source_that_fails_is_named_and_the_others_answer(
    stub: RecommendationServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Factors, query: Query, k: int) -> Hits:
        raise ValueError("a bug in a source")

    monkeypatch.setattr(Factors, "retrieve", broken)
    request = pb.RecommendRequest(user_id="user-03", at=AT, explain=pb.EXPLAIN_SUMMARY)

    one, batch = stub.Recommend(request), stub.BatchRecommend(pb.BatchRecommendRequest(requests=[request]))

    assert list(one.degraded_reasons) == ["source_failed:als"]
    assert len(one.results) == 20
    assert "als" not in {hit.name for result in one.results for hit in result.sources}
    assert question(batch.responses[0].response) == question(one)


def test_scores_are_finite(stub: RecommendationServiceStub) -> None:
    response = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=200, at=AT))

    assert all(math.isfinite(result.score) for result in response.results)
