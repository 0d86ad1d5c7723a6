"""What is refused over a real connection, with which reasons; whatever is asked has an answer or a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.code_pb2 import Code
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub

from .tiny_shop import ALL_ITEMS, LAST_EVENT_AT


def test_a_batch_beyond_256_is_refused_as_a_whole(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    requests = [pb.RecommendRequest()] * 257

    failure = failure_of(lambda: stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests)))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [v.field for v in failure.details["BadRequest"].field_violations] == ["requests"]


def test_bad_fields_fail_with_every_violation_and_one_error_info(
    stub: RecommendationServiceStub, failure_of: Callable[..., Any]
) -> None:
    failure = failure_of(lambda: stub.Recommend(pb.RecommendRequest(page_size=-1, user_id="u" * 129)))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.message == "user_id must be at most 128 characters, got 129; page_size must be at least 0, got -1"
    assert [v.field for v in failure.details["BadRequest"].field_violations] == ["user_id", "page_size"]
    assert failure.details["ErrorInfo"].reason == "INVALID_REQUEST"
    assert failure.details["RequestInfo"].request_id


def test_a_thousand_violations_still_arrive(stub: RecommendationServiceStub, failure_of: Callable[..., Any]) -> None:
    failure = failure_of(lambda: stub.Recommend(pb.RecommendRequest(exclude_item_ids=["x" * 129] * 1000)))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.details["BadRequest"].field_violations[0].field == "exclude_item_ids[0]"


@pytest.mark.parametrize(
    ("method", "request_", "resource"),
    [
        ("Recommend", pb.RecommendRequest(serving_config="nö"), ("serving_config", "nö")),
        ("Recommend", pb.RecommendRequest(serving_config="similar", context_item_ids=["x"]), ("item", "x")),
        ("SimilarItems", pb.SimilarItemsRequest(item_id="茶"), ("item", "茶")),
    ],
)
def test_what_does_not_exist_is_named(
    stub: RecommendationServiceStub,
    failure_of: Callable[..., Any],
    method: str,
    request_: Any,
    resource: tuple[str, str],
) -> None:
    failure = failure_of(lambda: getattr(stub, method)(request_))

    detail = failure.details["ResourceInfo"]
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert (detail.resource_type, detail.resource_name) == resource


# Mostly what is allowed, so that the answer is fuzzed and not only the refusal.
some_ids = st.one_of(st.sampled_from(ALL_ITEMS), st.text(max_size=128), st.text(min_size=129, max_size=130))
some_users = st.one_of(st.just("user-03"), st.text(max_size=130))
some_configs = st.one_of(st.sampled_from(["", "home", "discover", "buy-again", "similar"]), st.text(max_size=9))
some_filters = st.one_of(
    st.just(""), st.sampled_from(["price < 5", 'category:"Shelf 1"', "own OR -17"]), st.text(max_size=40)
)
some_times = st.builds(
    Timestamp,
    seconds=st.one_of(st.integers(LAST_EVENT_AT - 10**7, LAST_EVENT_AT + 10**7), st.integers(-(2**40), 2**40)),
    nanos=st.one_of(st.just(0), st.integers(-5, 2**31 - 1)),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    request_=st.builds(
        pb.RecommendRequest,
        user_id=some_users,
        visitor_id=some_users,
        serving_config=some_configs,
        page_size=st.one_of(st.integers(0, 300), st.integers(-(2**31), 2**31 - 1)),
        exclude_item_ids=st.lists(some_ids, max_size=20),
        context_item_ids=st.lists(some_ids, max_size=20),
        include_out_of_stock=st.booleans(),
        explain=st.one_of(st.integers(0, 3), st.integers(-1, 5)),
        at=some_times,
        labels=st.dictionaries(st.text(min_size=1, max_size=65), st.text(max_size=129), max_size=3),
        return_items=st.booleans(),
        filter=some_filters,
        strict_filtering=st.booleans(),
    )
)
def test_whatever_is_asked_is_answered_or_refused_with_a_reason(
    stub: RecommendationServiceStub, request_: pb.RecommendRequest
) -> None:
    batch = stub.BatchRecommend(pb.BatchRecommendRequest(requests=[request_]))

    (entry,) = batch.responses
    if entry.HasField("status"):
        assert entry.status.code in (Code.INVALID_ARGUMENT, Code.NOT_FOUND)
    else:
        assert not {result.item_id for result in entry.response.results} & set(request_.exclude_item_ids)
        assert len(entry.response.results) <= 200
