"""The hand-written table of rules for requests. ``check`` reports every broken one together.

One table instead of protovalidate: the rules cost the same microseconds, and the server needs one dependency fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from protos.recommender.v1.catalog_service_pb2 import (
    DeleteItemsRequest,
    GetItemRequest,
    SetInventoryRequest,
    UpsertItemsRequest,
)
from protos.recommender.v1.event_service_pb2 import PurgeEventsRequest, WriteEventsRequest
from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    RecommendRequest,
    SearchRequest,
    SimilarItemsRequest,
)
from protos.recommender.v1.snapshot_service_pb2 import (
    ActivateSnapshotRequest,
    GetServingRequest,
    ListServingConfigsRequest,
    ListSnapshotsRequest,
    ListUserIdsRequest,
)
from protos.recommender.v1.user_service_pb2 import (
    DeleteUserRequest,
    GetProfileRequest,
    LinkIdentitiesRequest,
    UnlinkIdentitiesRequest,
    UpsertUsersRequest,
)
from recsys.errors import InvalidRequest, Violation
from recsys.filters.grammar import parse
from server.item_changes import mask_of_items
from server.page_tokens import LONGEST_PAGE_TOKEN
from server.purges import event_filter
from server.rules import (
    LONGEST_ATTRIBUTE_NAME,
    LONGEST_ID,
    LONGEST_PLATFORM,
    LONGEST_QUERY,
    MOST_ATTRIBUTES,
    Fits,
    Rule,
    amount,
    at_least,
    entries,
    explain,
    filtering,
    free,
    id_text,
    ids,
    labels,
    moment,
    not_far_ahead,
    recent_events,
    share,
    slug,
    text,
)

LONGEST_TOKEN = 512
LARGEST_BATCH = 256
LARGEST_WRITE = 1000
MOST_EXCLUDED = 1000
MOST_CONTEXT = 100
ATTRIBUTES = "attributes"


def _mask_of_users(field: str, mask: Any) -> Iterator[Violation]:
    yield from entries(MOST_ATTRIBUTES)(f"{field}.paths", mask.paths)
    for position, path in enumerate(mask.paths[:MOST_ATTRIBUTES]):
        prefix, _, name = path.partition(".")
        if path not in ("*", ATTRIBUTES) and not (prefix == ATTRIBUTES and 1 <= len(name) <= LONGEST_ATTRIBUTE_NAME):
            place = f"{field}.paths[{position}]"
            yield Violation(place, f"{place} must be attributes or attributes.<name>, got {path[:LONGEST_ID]!r}")


# Stands for the rule by which a filter must fit the items being served.
_FITTING = filtering(parse)

_RECOMMEND: Mapping[str, Rule] = {
    "user_id": text(LONGEST_ID),
    "visitor_id": text(LONGEST_ID),
    "serving_config": text(LONGEST_ID),
    "page_size": at_least(0),
    "exclude_item_ids": ids(MOST_EXCLUDED),
    "context_item_ids": ids(MOST_CONTEXT),
    "recent_events": recent_events,
    "filter": _FITTING,
    "strict_filtering": free,
    "include_out_of_stock": free,
    "explain": explain,
    "at": moment,
    "page_token": text(LONGEST_PAGE_TOKEN),
    "platform": slug(LONGEST_PLATFORM),
    "validate_only": free,
    "labels": labels,
    "return_items": free,
    "diversity": share,
    "query": text(LONGEST_QUERY),
}

# What SimilarItems has not: the serving config is its own, the page is the item, and it answers no text.
_NOT_OF_SIMILAR = frozenset({"serving_config", "context_item_ids", "query"})

_IDENTITIES: Mapping[str, Rule] = {
    "user_id": id_text(LONGEST_ID, required=True),
    "visitor_id": id_text(LONGEST_ID, required=True),
}

# Every field of every request stands here once (a test compares with the descriptors).
RULES: Mapping[type[Message], Mapping[str, Rule]] = {
    RecommendRequest: _RECOMMEND,
    SearchRequest: {**_RECOMMEND, "query": text(LONGEST_QUERY, required=True)},
    SimilarItemsRequest: {
        "item_id": text(LONGEST_ID, required=True),
        **{name: rule for name, rule in _RECOMMEND.items() if name not in _NOT_OF_SIMILAR},
    },
    # The requests of a batch are checked one by one: each gets its own status.
    BatchRecommendRequest: {"requests": entries(LARGEST_BATCH)},
    GetServingRequest: {},
    ListSnapshotsRequest: {"page_size": at_least(0), "page_token": text(LONGEST_TOKEN)},
    ActivateSnapshotRequest: {"snapshot_version": text(LONGEST_ID, required=True), "if_current": text(LONGEST_ID)},
    ListServingConfigsRequest: {},
    ListUserIdsRequest: {"page_size": at_least(0), "page_token": text(LONGEST_TOKEN)},
    # Events and users are checked one by one: each gets its own status.
    WriteEventsRequest: {"events": entries(LARGEST_WRITE)},
    PurgeEventsRequest: {"filter": filtering(event_filter), "force": free},
    UpsertUsersRequest: {"users": entries(LARGEST_WRITE), "update_mask": _mask_of_users, "allow_missing": free},
    # Items are checked one by one: each gets its own status.
    UpsertItemsRequest: {"items": entries(LARGEST_WRITE), "update_mask": mask_of_items, "allow_missing": free},
    GetItemRequest: {"item_id": id_text(LONGEST_ID, required=True)},
    SetInventoryRequest: {
        "item_id": id_text(LONGEST_ID, required=True),
        "stock": at_least(0),
        "price": amount,
        "set_time": not_far_ahead,
    },
    # Ids are checked one by one: each gets its own status.
    DeleteItemsRequest: {"item_ids": entries(LARGEST_WRITE)},
    GetProfileRequest: {"user_id": id_text(LONGEST_ID, required=True)},
    LinkIdentitiesRequest: _IDENTITIES,
    UnlinkIdentitiesRequest: _IDENTITIES,
    DeleteUserRequest: {"user_id": id_text(LONGEST_ID, required=True)},
}


def check(request: Message, fits: Fits = parse) -> None:
    """Nothing when ``request`` keeps all rules; else InvalidRequest with every violation, in the table's order.

    fits: as in ``broken_rules``.
    """
    violations = broken_rules(request, fits=fits)
    if violations:
        raise InvalidRequest(violations)


def broken_rules(request: Message, *, given_only: bool = False, fits: Fits = parse) -> list[Violation]:
    """Every violation, in the table's order; ``given_only``: what was left out is not missed.

    fits: raises FilterError on a filter that does not fit the items being served; without it only the grammar counts.
    """
    rules = RULES[type(request)]
    if rules.get("filter") is _FITTING:
        rules = {**rules, "filter": filtering(fits)}
    given = {field.name for field, _ in request.ListFields()} if given_only else rules.keys()
    return [found for field, rule in rules.items() if field in given for found in rule(field, getattr(request, field))]
