"""Between the wire and the domain: every field of a request arrives, and every part of an answer leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.recommendation_service_pb2 import (
    EXPLAIN_NONE,
    EXPLAIN_SUMMARY,
    SERVED_BY_CONTENT,
    SERVED_BY_PERSONALISED,
    SERVED_BY_POPULAR,
    SERVED_BY_SEGMENT,
    RecommendRequest,
    SimilarItemsRequest,
)
from recsys.arrays import frozen
from recsys.ask import Ask, Resolved, resolve
from recsys.model import Snapshot
from recsys.query import Provenance, Recommendation, Slate
from recsys.stores.records import LiveEvent, Person
from server.conversion import Shape, as_recommend, ask_of, normalised, response_of, seconds_of, shape_of

NOW = 1_500_000_001


@pytest.fixture(scope="module")
def snapshot(tiny: Callable[[int], Snapshot]) -> Snapshot:
    return tiny(1)


def answered(snapshot: Snapshot, ranks: list[list[float]], user_id: str = "user-01") -> tuple[Resolved, Recommendation]:
    """Items 2 and 1, with these ranks of popular and als."""
    resolved = resolve(Ask(at=NOW, user_id=user_id, limit=2), snapshot)
    table = np.array(ranks, np.float32)
    provenance = Provenance(("popular", "als"), table / 2, table)
    slate = Slate(frozen([2, 1], np.int32), frozen([0.75, 0.5], np.float32))
    return resolved, Recommendation(slate, (), provenance)


def test_every_field_of_a_request_reaches_the_question() -> None:
    request = RecommendRequest(
        user_id="u",
        visitor_id="v",
        serving_config="discover",
        page_size=7,
        exclude_item_ids=["a", "b"],
        context_item_ids=["c"],
        include_out_of_stock=True,
        at=Timestamp(seconds=5),
        platform="app",
    )

    assert ask_of(request, now=NOW) == Ask(
        user_id="u",
        serving_config="discover",
        limit=7,
        exclude_item_ids=("a", "b"),
        context_item_ids=("c",),
        include_out_of_stock=True,
        at=5,
        person=Person("u"),
        platform="app",
    )


def test_an_empty_request_is_home_now_for_nobody() -> None:
    assert ask_of(RecommendRequest(), now=NOW) == Ask(at=NOW, person=Person(""), is_now=True)


def test_an_at_of_1970_is_not_a_missing_one() -> None:
    assert ask_of(RecommendRequest(at=Timestamp()), now=NOW).at == 0


def test_now_is_just_after_what_is_known_to_have_happened_but_a_day_ahead_at_most() -> None:
    def kept(time: int) -> Person:
        return Person("u", events=(LiveEvent("e", "view", time * 1_000_000 + 5, "u", item_id="i"),))

    told = RecommendRequest(recent_events=[Event(event_type="view", item_id="i", timestamp=Timestamp(seconds=NOW + 9))])
    assert ask_of(RecommendRequest(), now=NOW, person=kept(NOW - 1)).at == NOW
    assert ask_of(RecommendRequest(), now=NOW, person=kept(NOW + 3)).at == NOW + 4
    assert ask_of(told, now=NOW, person=kept(NOW + 3)).at == NOW + 10
    assert ask_of(RecommendRequest(), now=NOW, person=kept(NOW + 86_401)).at == NOW
    assert ask_of(RecommendRequest(at=Timestamp(seconds=7)), now=NOW, person=kept(NOW)).at == 7


def test_page_sizes_above_200_mean_200() -> None:
    assert ask_of(RecommendRequest(page_size=201), now=NOW).limit == 200
    assert ask_of(as_recommend(SimilarItemsRequest(item_id="i", page_size=10_000)), now=NOW).limit == 200


def test_similar_items_is_the_serving_config_similar_with_the_item_as_context() -> None:
    request = SimilarItemsRequest(item_id="i", visitor_id="v", page_size=3, exclude_item_ids=["a"])

    assert ask_of(as_recommend(request), now=NOW) == Ask(
        user_id="v",
        serving_config="similar",
        limit=3,
        exclude_item_ids=("a",),
        context_item_ids=("i",),
        at=NOW,
        person=Person("", ("v",)),
        is_now=True,
    )


def test_every_other_field_of_similar_items_is_the_one_of_the_same_name() -> None:
    values = {
        "item_id": "i",
        "user_id": "u",
        "visitor_id": "v",
        "page_size": 3,
        "exclude_item_ids": ["a", "b"],
        "filter": "price < 2",
        "strict_filtering": False,
        "include_out_of_stock": True,
        "explain": EXPLAIN_SUMMARY,
        "at": Timestamp(seconds=5),
        "page_token": "t",
        "platform": "app",
        "validate_only": True,
        "labels": {"k": "v"},
        "return_items": True,
        "diversity": 0.5,
        "recent_events": [Event(event_type="view", item_id="c")],
    }
    request = SimilarItemsRequest(**values)
    assert set(values) == set(SimilarItemsRequest.DESCRIPTOR.fields_by_name)

    del values["item_id"]
    assert as_recommend(request) == RecommendRequest(serving_config="similar", context_item_ids=["i"], **values)


def test_normalised_names_every_default_and_asks_the_same(snapshot: Snapshot) -> None:
    request = RecommendRequest(user_id="u", page_size=201)
    query = resolve(ask_of(request, now=NOW), snapshot).query

    whole = normalised(request, query)

    assert (whole.serving_config, whole.page_size, whole.explain, whole.at.seconds) == ("home", 200, EXPLAIN_NONE, NOW)
    assert ask_of(whole, now=0) == Ask(at=NOW, user_id="u", limit=200, person=Person("u"))
    assert normalised(RecommendRequest(), query).page_size == 200
    assert normalised(RecommendRequest(at=Timestamp(nanos=1)), query).at == Timestamp(nanos=1)


@pytest.mark.parametrize(("nanos", "seconds"), [(0, 10), (1, 11), (999_999_999, 11)])
def test_a_fraction_of_a_second_rounds_up_so_that_before_stays_strict(nanos: int, seconds: int) -> None:
    assert seconds_of(Timestamp(seconds=10, nanos=nanos)) == seconds


@pytest.mark.parametrize(
    ("names", "ranks", "user_id", "expected"),
    [
        (("popular", "als"), [[0, np.nan], [1, np.nan]], "user-01", SERVED_BY_POPULAR),
        (("popular", "als"), [[0, np.nan], [1, 0]], "user-01", SERVED_BY_PERSONALISED),
        (("popular", "similar-als"), [[0, np.nan], [1, 0]], "nobody", SERVED_BY_CONTENT),
        (("first", "trending"), [[0, 1], [1, 0]], "nobody", SERVED_BY_POPULAR),
        (("trending", "segment"), [[0, 1], [1, np.nan]], "nobody", SERVED_BY_SEGMENT),
        (("segment", "similar-content"), [[0, 1], [1, np.nan]], "nobody", SERVED_BY_CONTENT),
        (("segment", "history"), [[0, 1], [1, np.nan]], "user-01", SERVED_BY_PERSONALISED),
        (("segment", "two-tower"), [[0, 1], [1, np.nan]], "nobody", SERVED_BY_SEGMENT),
        (("popular", "two-tower"), [[0, 1], [1, np.nan]], "user-01", SERVED_BY_PERSONALISED),
    ],
)
def test_served_by_looks_at_what_is_shown(
    snapshot: Snapshot, names: tuple[str, ...], ranks: list[list[float]], user_id: str, expected: int
) -> None:
    resolved, recommendation = answered(snapshot, ranks, user_id)
    recommendation = replace(recommendation, provenance=replace(recommendation.provenance, names=names))

    response = response_of(snapshot, resolved, recommendation, shape=Shape(explain=False, items=False), request_id="r")

    assert response.served_by == expected


def test_an_answer_carries_ids_scores_and_on_request_sources_counted_from_one(snapshot: Snapshot) -> None:
    resolved, recommendation = answered(snapshot, [[4, 0], [np.nan, 9]])

    response = response_of(
        snapshot,
        resolved,
        recommendation,
        shape=shape_of(RecommendRequest(explain=EXPLAIN_SUMMARY, return_items=True)),
        request_id="r",
    )

    assert [(r.item_id, r.score) for r in response.results] == [("1-i02", 0.75), ("1-i01", 0.5)]
    assert [[(hit.name, hit.rank, hit.score) for hit in r.sources] for r in response.results] == [
        [("als", 1, 0.0), ("popular", 5, 2.0)],
        [("als", 10, 4.5)],
    ]
    assert [r.item.title for r in response.results] == ["Product 2 茶", "Product 1 茶"]
    assert (response.request_id, list(response.warnings)) == ("r", [])


def test_a_failed_source_and_a_short_list_are_said(snapshot: Snapshot) -> None:
    resolved = resolve(Ask(at=NOW, limit=3), snapshot)
    nothing = Slate(frozen([], np.int32), frozen([], np.float32))
    provenance = Provenance(("popular", "als"), np.empty((0, 2), np.float32), np.empty((0, 2), np.float32))
    recommendation = Recommendation(nothing, (), provenance, failed_sources=("als",))

    response = response_of(snapshot, resolved, recommendation, shape=Shape(explain=True, items=True), request_id="r")

    assert list(response.degraded_reasons) == ["source_failed:als"]
    assert list(response.warnings) == ["only 0 of 3 results: not every source was heard, see degraded_reasons"]
    assert response.served_by == SERVED_BY_POPULAR
