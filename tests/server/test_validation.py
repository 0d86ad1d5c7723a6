"""Rules of requests: each boundary from both sides, and all violations together."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1 import (
    catalog_service_pb2,
    event_service_pb2,
    recommendation_service_pb2,
    snapshot_service_pb2,
    user_service_pb2,
)
from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    RecommendRequest,
    SimilarItemsRequest,
)
from protos.recommender.v1.snapshot_service_pb2 import (
    ActivateSnapshotRequest,
    ListSnapshotsRequest,
    ListUserIdsRequest,
)
from recsys.errors import InvalidRequest
from server.validation import RULES, check

ITEM = {"item_id": "a"}


def violations(request: Message) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as raised:
        check(request)
    return [(violation.field, violation.description) for violation in raised.value.violations]


def test_every_request_message_has_a_rule_for_each_of_its_fields() -> None:
    requests = {
        method.input_type.full_name: {field.name for field in method.input_type.fields}
        for file in (
            catalog_service_pb2,
            event_service_pb2,
            recommendation_service_pb2,
            snapshot_service_pb2,
            user_service_pb2,
        )
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }

    assert {kind.DESCRIPTOR.full_name: set(rules) for kind, rules in RULES.items()} == requests


@pytest.mark.parametrize(
    "request_",
    [
        RecommendRequest(),
        RecommendRequest(user_id="茶" * 128, visitor_id="x" * 128, page_size=2**31 - 1),
        RecommendRequest(exclude_item_ids=["x" * 128] * 1000, context_item_ids=["x"] * 100),
        RecommendRequest(labels={str(i): "v" * 128 for i in range(63)} | {"k" * 64: ""}),
        RecommendRequest(filter="price < 2 OR colour = red", strict_filtering=False),
        RecommendRequest(filter="x" * 5000),
        RecommendRequest(at=Timestamp(seconds=0)),
        RecommendRequest(platform="mini-program.2_A" + "a" * 16, page_token="t" * 8192, validate_only=True),
        RecommendRequest(at=Timestamp(seconds=4_133_980_799, nanos=999_999_999)),
        BatchRecommendRequest(),
        BatchRecommendRequest(requests=[RecommendRequest()] * 256),
        ListUserIdsRequest(page_size=10_001),
        ListSnapshotsRequest(page_size=101),
        ActivateSnapshotRequest(snapshot_version="x" * 128, if_current="y" * 128),
    ],
)
def test_what_is_on_the_allowed_side_passes(request_: Message) -> None:
    check(request_)


@pytest.mark.parametrize(
    ("values", "field", "description"),
    [
        ({"page_size": -1}, "page_size", "page_size must be at least 0, got -1"),
        ({"user_id": "茶" * 129}, "user_id", "user_id must be at most 128 characters, got 129"),
        ({"visitor_id": "x" * 129}, "visitor_id", "visitor_id must be at most 128 characters, got 129"),
        (
            {"explain": 7},
            "explain",
            "explain must be one of EXPLAIN_UNSPECIFIED, EXPLAIN_NONE, EXPLAIN_SUMMARY, EXPLAIN_FULL, got 7",
        ),
        (
            {"exclude_item_ids": ["a", "x" * 129]},
            "exclude_item_ids[1]",
            "exclude_item_ids[1] must be at most 128 characters, got 129",
        ),
        (
            {"exclude_item_ids": ["a"] * 1001},
            "exclude_item_ids",
            "exclude_item_ids must have at most 1000 entries, got 1001",
        ),
        (
            {"labels": {str(i): "" for i in range(65)}},
            "labels",
            "labels must have at most 64 entries, got 65",
        ),
        ({"labels": {"": "v"}}, "labels", "keys of labels must have 1 to 64 characters, got 0"),
        ({"labels": {"k": "v" * 129}}, "labels.k", "labels.k must be at most 128 characters, got 129"),
        ({"platform": "a" * 33}, "platform", "platform must be at most 32 characters, got 33"),
        (
            {"platform": "my app"},
            "platform",
            'platform must be letters, digits, ".", "_" and "-" after a letter or digit',
        ),
        ({"platform": "-a"}, "platform", 'platform must be letters, digits, ".", "_" and "-" after a letter or digit'),
        ({"platform": "茶"}, "platform", 'platform must be letters, digits, ".", "_" and "-" after a letter or digit'),
        ({"page_token": "t" * 8193}, "page_token", "page_token must be at most 8192 characters, got 8193"),
        ({"at": Timestamp(seconds=-1)}, "at", "at must be within the years 1970 to 2100, got -1 s"),
        (
            {"at": Timestamp(seconds=4_133_980_800)},
            "at",
            "at must be within the years 1970 to 2100, got 4133980800 s",
        ),
        (
            {"filter": "x" * 5001},
            "filter",
            "filter: the filter must be at most 5000 characters, got 5001 at position 5000",
        ),
        ({"filter": "price <"}, "filter", "filter: the filter ends too early at position 7; expected a value"),
        ({"diversity": 1.25}, "diversity", "diversity must be within 0 to 1, got 1.25"),
        ({"diversity": float("nan")}, "diversity", "diversity must be within 0 to 1, got nan"),
        ({"at": Timestamp(nanos=-1)}, "at", "at.nanos must be within 0 to 999999999, got -1"),
    ],
)
@pytest.mark.parametrize(("kind", "needed"), [(RecommendRequest, {}), (SimilarItemsRequest, ITEM)])
def test_what_is_beyond_is_named_with_value_and_range(
    kind: type[Message], needed: dict[str, Any], values: dict[str, Any], field: str, description: str
) -> None:
    assert violations(kind(**needed, **values)) == [(field, description)]


def test_context_takes_a_hundred_items() -> None:
    request = RecommendRequest(context_item_ids=["a"] * 101)

    assert violations(request) == [("context_item_ids", "context_item_ids must have at most 100 entries, got 101")]


def test_similar_items_needs_an_item() -> None:
    assert violations(SimilarItemsRequest()) == [("item_id", "item_id must not be empty")]


def test_an_activation_needs_a_version_and_all_that_is_wrong_with_it_is_said() -> None:
    assert violations(ActivateSnapshotRequest(if_current="y" * 129)) == [
        ("snapshot_version", "snapshot_version must not be empty"),
        ("if_current", "if_current must be at most 128 characters, got 129"),
    ]


def test_a_listing_of_snapshots_has_the_bounds_of_other_listings() -> None:
    assert [field for field, _ in violations(ListSnapshotsRequest(page_size=-1, page_token="t" * 513))] == [
        "page_size",
        "page_token",
    ]


def test_a_batch_takes_256_requests() -> None:
    request = BatchRecommendRequest(requests=[RecommendRequest()] * 257)

    assert violations(request) == [("requests", "requests must have at most 256 entries, got 257")]


def test_all_violations_are_reported_together() -> None:
    request = RecommendRequest(page_size=-5, user_id="u" * 200, context_item_ids=["ok", "c" * 130])

    assert [field for field, _ in violations(request)] == ["user_id", "page_size", "context_item_ids[1]"]
