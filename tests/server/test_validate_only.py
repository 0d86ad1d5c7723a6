"""validate_only: every check of a live call and no answer; the request comes back as it was understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.pipeline import Pipeline
from recsys.query import Query

from .tiny_shop import LAST_EVENT_AT

AT = Timestamp(seconds=LAST_EVENT_AT + 1)


@pytest.fixture(autouse=True)
def nothing_is_computed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of ``nobody`` may be answered, so that there is something to continue."""
    recommend_many = Pipeline.recommend_many

    def refusing(self: Pipeline, queries: Sequence[Query], *budget: Any) -> Any:
        assert all(query.user_id == "nobody" for query in queries)
        return recommend_many(self, queries, *budget)

    monkeypatch.setattr(Pipeline, "recommend_many", refusing)


def without_call(response: pb.RecommendResponse) -> pb.RecommendResponse:
    response.ClearField("request_id")
    response.ClearField("snapshot_version")
    return response


def test_the_request_comes_back_with_its_defaults_and_without_an_answer(stub: RecommendationServiceStub) -> None:
    request = pb.RecommendRequest(user_id="user-03", exclude_item_ids=["x"], at=AT, validate_only=True)
    request.labels["page"] = "start"

    response = stub.Recommend(request)

    request.serving_config, request.page_size, request.explain = "home", 20, pb.EXPLAIN_NONE
    assert len(response.request_id) == 32
    assert response.snapshot_version
    assert without_call(response) == pb.RecommendResponse(missing_ids=["x"], normalised_request=request)


def test_what_comes_back_asks_the_same_and_stays_as_it_is(stub: RecommendationServiceStub) -> None:
    once = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=1000, validate_only=True))

    twice = stub.Recommend(once.normalised_request)

    assert once.normalised_request.page_size == 200
    assert once.normalised_request.HasField("at")
    assert twice.normalised_request == once.normalised_request


def test_of_similar_items_it_is_the_request_to_recommend_that_asks_the_same(stub: RecommendationServiceStub) -> None:
    response = stub.SimilarItems(pb.SimilarItemsRequest(item_id="1-i03", page_size=3, at=AT, validate_only=True))

    assert response.normalised_request == pb.RecommendRequest(
        serving_config="similar",
        context_item_ids=["1-i03"],
        page_size=3,
        at=AT,
        explain=pb.EXPLAIN_NONE,
        validate_only=True,
    )


def test_a_page_token_is_replaced_by_what_it_stands_for_and_kept(stub: RecommendationServiceStub) -> None:
    asked = pb.RecommendRequest(user_id="nobody", page_size=5, exclude_item_ids=["1-i01"], at=AT)
    token = stub.Recommend(asked).next_page_token

    response = stub.Recommend(pb.RecommendRequest(page_token=token, validate_only=True))

    asked.MergeFrom(
        pb.RecommendRequest(page_token=token, validate_only=True, serving_config="home", explain=pb.EXPLAIN_NONE)
    )
    assert response.normalised_request == asked


def test_requests_of_a_batch_may_each_be_checked_only(stub: RecommendationServiceStub) -> None:
    asked = [
        pb.RecommendRequest(user_id="user-03", validate_only=True),
        pb.RecommendRequest(user_id="nobody", page_size=3),
        pb.RecommendRequest(user_id="user-03", validate_only=True, page_size=-1),
    ]

    checked, answered, refused = stub.BatchRecommend(pb.BatchRecommendRequest(requests=asked)).responses

    assert (checked.response.normalised_request.page_size, len(checked.response.results)) == (20, 0)
    assert len(answered.response.results) == 3
    assert not answered.response.HasField("normalised_request")
    assert refused.status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"serving_config": "similar"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"serving_config": "nope"}, grpc.StatusCode.NOT_FOUND),
        ({"serving_config": "similar", "context_item_ids": ["nope"]}, grpc.StatusCode.NOT_FOUND),
    ],
)
def test_what_a_live_call_refuses_is_refused_in_the_same_words(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any], values: dict[str, Any], code: grpc.StatusCode
) -> None:
    checked = failure_of(lambda: stub.Recommend(pb.RecommendRequest(validate_only=True, **values)))
    live = failure_of(lambda: stub.Recommend(pb.RecommendRequest(**values)))

    assert checked.code is live.code is code
    assert checked.message == live.message
    assert checked.details["ErrorInfo"] == live.details["ErrorInfo"]
