"""recent_events over the wire: used for the answer, refused by field, part of a list's arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from server.clock import wall_time

from .paged import AT, ids, pages, rows
from .tiny_shop import LAST_EVENT_AT

ITEM = "1-i57"


def bought(item_id: str = ITEM, **fields: Any) -> Event:
    return Event(**{"event_type": "purchase", "item_id": item_id, **fields})


def test_what_was_just_bought_is_its_buyer_s_own_and_leaves_the_list_of_new_things(
    stub: RecommendationServiceStub,
) -> None:
    request = {"user_id": "somebody new", "at": AT, "recent_events": [bought(), bought()]}
    home = stub.Recommend(pb.RecommendRequest(**request, page_size=200, explain=pb.EXPLAIN_SUMMARY))
    new = stub.Recommend(pb.RecommendRequest(**request, serving_config="discover", page_size=200))

    assert home.served_by == pb.SERVED_BY_PERSONALISED
    shown = next(result for result in home.results if result.item_id == ITEM)
    assert "history" in {hit.name for hit in shown.sources}
    assert [reason.code for reason in shown.reasons] == ["BOUGHT_BEFORE"]
    assert ITEM not in ids(new)
    assert stub.Recommend(pb.RecommendRequest(user_id="somebody new", at=AT)).served_by == pb.SERVED_BY_POPULAR


def test_similar_items_and_batches_take_them_too(stub: RecommendationServiceStub) -> None:
    similar = stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03", at=AT, recent_events=[bought()]))
    request = pb.RecommendRequest(user_id="user-03", at=AT, recent_events=[bought()])
    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[request]))

    assert similar.results
    assert rows(batch.responses[0].response) == rows(stub.Recommend(request))


def test_what_the_snapshot_does_not_know_is_told(stub: RecommendationServiceStub) -> None:
    answer = stub.Recommend(
        pb.RecommendRequest(at=AT, recent_events=[bought("nothing"), Event(event_type="search", query="x")])
    )

    assert list(answer.missing_ids) == ["nothing"]


def test_a_list_goes_on_with_its_events_repeated_or_left_out(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    request = pb.RecommendRequest(user_id="user-03", at=AT, page_size=7, recent_events=[bought()])
    whole = stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT, page_size=200, recent_events=[bought()]))
    answers = pages(stub.Recommend, request)

    assert rows(*answers) == rows(whole)
    token = answers[0].next_page_token
    assert rows(stub.Recommend(pb.RecommendRequest(page_token=token))) == rows(answers[1])
    other = pb.RecommendRequest(page_token=token, recent_events=[bought("1-i01")])
    assert failure_of(lambda: stub.Recommend(other)).code is grpc.StatusCode.INVALID_ARGUMENT


def test_as_many_as_there_may_be_are_answered(stub: RecommendationServiceStub) -> None:
    events = [bought(f"1-i{n % 60:02d}", timestamp=Timestamp(seconds=LAST_EVENT_AT - n)) for n in range(200)]
    assert stub.Recommend(pb.RecommendRequest(user_id="user-03", at=AT, recent_events=events)).results


@pytest.mark.parametrize(
    ("event", "field", "sentence"),
    [
        (Event(item_id=ITEM), "event_type", "must not be empty"),
        (Event(event_type="view"), "item_id", "must not be empty, for its type is 'view'"),
        (Event(event_type="search"), "query", "must not be empty, for its type is 'search'"),
        (bought(event_id="x" * 257), "event_id", "must be at most 256 characters, got 257"),
        (bought(quantity=float("nan")), "quantity", "must be finite and at least 0, got nan"),
        (bought(price=-1), "price", "must be finite and at least 0, got -1"),
        (bought(value=float("inf")), "value", "must be finite, got inf"),
        (bought(platform="a b"), "platform", "must be letters"),
        (bought(timestamp=Timestamp(seconds=-1)), "timestamp", "must be within the years 1970 to 2100"),
        (bought(timestamp=Timestamp(seconds=wall_time() + 90_000)), "timestamp", "must be at most a day ahead"),
    ],
)
def test_an_event_that_breaks_a_rule_is_refused_by_its_path(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any], event: Event, field: str, sentence: str
) -> None:
    failure = failure_of(lambda: stub.Recommend(pb.RecommendRequest(recent_events=[bought(), event])))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = failure.details["BadRequest"].field_violations
    assert violation.field == f"recent_events[1].{field}"
    assert sentence in violation.description


def test_too_many_are_refused_together_with_what_else_is_wrong(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    request = pb.RecommendRequest(page_size=-1, recent_events=[bought()] * 201)
    violations = failure_of(lambda: stub.Recommend(request)).details["BadRequest"].field_violations

    assert [one.field for one in violations] == ["page_size", "recent_events"]
    assert violations[1].description == "recent_events must have at most 200 entries, got 201"
