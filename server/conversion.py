"""Between the wire and the domain. Without explanations no loop here touches a NumPy scalar: ``tolist`` first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.item_pb2 import Item
from protos.recommender.v1.recommendation_service_pb2 import (
    Explain,
    PolicyStep,
    RecommendRequest,
    RecommendResponse,
    RecommendResult,
    SearchRequest,
    ServedBy,
    SimilarItemsRequest,
)
from recsys.arrays import Float32, Int32
from recsys.ask import Ask, Resolved
from recsys.decay import DAY_S
from recsys.features.closeness import FROM_PROFILE
from recsys.model import Snapshot
from recsys.query import Provenance, Query, Recommendation
from recsys.recent import SECOND_US, RecentEvent
from recsys.stores.records import ItemValue, Person
from server import accept_language
from server.explanation import divide, explain
from server.wording import DEFAULT_LANGUAGE, wordings

LARGEST_PAGE = 200
DEFAULT_SERVING_CONFIG = "home"
SIMILAR, SEARCH = "similar", "search"
# Whoever asks Recommend in other words.
Asked = RecommendRequest | SimilarItemsRequest | SearchRequest
# Sources that say the same to everyone, and the one that knows no more than a profile.
POPULARITY = frozenset({"popular", "first", "trending", "fresh"})
SEGMENT = "segment"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a caller wants to see of an answer, beside the list. language: of the reasons, a tag of ``wordings``."""

    explain: bool
    items: bool
    contributions: bool = False
    language: str = DEFAULT_LANGUAGE


def shape_of(request: Asked, metadata: Callable[[str], str] = lambda _: "") -> Shape:
    """The shape that ``request`` asks for; ``metadata`` gives the call's metadata by key."""
    if request.explain not in (Explain.EXPLAIN_SUMMARY, Explain.EXPLAIN_FULL):
        return Shape(explain=False, items=request.return_items)
    return Shape(
        explain=True,
        items=request.return_items,
        contributions=_is_full(request),
        language=accept_language.chosen(metadata(accept_language.KEY), wordings(), DEFAULT_LANGUAGE),
    )


def _is_full(request: Asked) -> bool:
    return request.explain == Explain.EXPLAIN_FULL


def ask_of(request: RecommendRequest, *, now: int, vector: Float32 | None = None, person: Person | None = None) -> Ask:
    """The question in the domain's words; ``now`` (epoch seconds) stands in for a missing ``at``.

    vector: of the query by the snapshot's encoder, None where there is none · person: who asks, as the state store
    knows them; None: as their ids alone tell.
    """
    person = person or alone(request.user_id, request.visitor_id)
    recent = tuple(_recent(event) for event in request.recent_events)
    is_now = not request.HasField("at")
    return Ask(
        user_id=request.user_id or request.visitor_id,
        serving_config=request.serving_config or DEFAULT_SERVING_CONFIG,
        limit=min(request.page_size, LARGEST_PAGE),
        exclude_item_ids=tuple(request.exclude_item_ids),
        context_item_ids=tuple(request.context_item_ids),
        at=_just_after(now, person, recent) if is_now else seconds_of(request.at),
        include_out_of_stock=request.include_out_of_stock,
        divide_scores=_is_full(request),
        filter=request.filter,
        strict_filtering=request.strict_filtering if request.HasField("strict_filtering") else True,
        diversity=request.diversity if request.HasField("diversity") else None,
        account=request.explain in (Explain.EXPLAIN_SUMMARY, Explain.EXPLAIN_FULL),
        recent=recent,
        text=request.query,
        vector=vector,
        person=person,
        is_now=is_now,
        platform=request.platform,
    )


def alone(user_id: str, visitor_id: str) -> Person:
    """Who asks as far as their ids alone tell."""
    return Person(user_id, () if user_id or not visitor_id else (visitor_id,))


def _just_after(now: int, person: Person, recent: Sequence[RecentEvent]) -> int:
    """``now``, or the second after the newest event where that is later: clocks differ, and what is known has happened.

    Later by a day at most: data of another time must not move everything else.
    """
    times = [event.time_us // SECOND_US for event in person.events]
    times += [event.time for event in recent if event.time is not None]
    return max([now, *(time + 1 for time in times if time <= now + DAY_S)])


def _recent(event: Event) -> RecentEvent:
    return RecentEvent(
        event.item_id,
        event.event_type,
        event.timestamp.seconds if event.HasField("timestamp") else None,
        event.value if event.HasField("value") else None,
        event.event_id,
    )


def as_recommend(request: Asked) -> RecommendRequest:
    """The same question to Recommend: SimilarItems is serving config ``similar`` with the item as context, Search is
    serving config ``search`` unless it names another; a page token has its own.
    """
    if isinstance(request, RecommendRequest):
        return request
    if isinstance(request, SearchRequest):
        same = RecommendRequest(serving_config="" if request.page_token else SEARCH)
    else:
        same = RecommendRequest(serving_config=SIMILAR, context_item_ids=[request.item_id] if request.item_id else [])
    for field, value in request.ListFields():
        if field.name == "item_id":
            continue
        if field.message_type or field.is_repeated:
            getattr(same, field.name).MergeFrom(value)
        else:
            setattr(same, field.name, value)
    return same


def normalised(request: RecommendRequest, query: Query) -> RecommendRequest:
    """``request``, resolved to ``query``, with every default that decides the answer filled in."""
    whole = RecommendRequest()
    whole.CopyFrom(request)
    whole.serving_config = query.config.name
    whole.page_size = query.limit
    if request.filter and not request.HasField("strict_filtering"):
        whole.strict_filtering = True
    whole.explain = request.explain or Explain.EXPLAIN_NONE
    if not request.HasField("at"):
        whole.at.seconds = query.at
    return whole


def seconds_of(time: Timestamp) -> int:
    """Epoch seconds; a fraction rounds up, so that "strictly before" means the same for events in whole seconds."""
    return int(time.seconds) + (1 if time.nanos else 0)


def response_of(
    snapshot: Snapshot, resolved: Resolved, recommendation: Recommendation, *, shape: Shape, request_id: str
) -> RecommendResponse:
    """The answer as it travels."""
    query, slate = resolved.query, recommendation.slate
    ids = snapshot.catalogue.items.ids(slate.items)
    scores = slate.scores.tolist()
    results = [RecommendResult(item_id=id, score=score) for id, score in zip(ids, scores, strict=True)]
    if recommendation.promotions:
        for result, promotion in zip(results, recommendation.promotions, strict=True):
            result.promotion_name = promotion
    if recommendation.explored is not None and recommendation.propensities is not None:
        chances = zip(recommendation.explored.tolist(), recommendation.propensities.tolist(), strict=True)
        for result, (is_explored, propensity) in zip(results, chances, strict=True):
            result.is_exploration, result.propensity = is_explored, propensity
    if shape.explain:
        explain(results, snapshot, query, recommendation, wordings()[shape.language])
    if shape.contributions and recommendation.features is not None:
        divide(results, snapshot.contributions(query, slate, recommendation.features))
    if shape.items:
        for result, item in zip(results, items_of(snapshot, slate.items, ids), strict=True):
            result.item.CopyFrom(item)
    return RecommendResponse(
        results=results,
        missing_ids=dict.fromkeys(resolved.missing_ids),
        served_by=served_by(query, recommendation.provenance),
        degraded_reasons=_degraded(recommendation),
        warnings=[*resolved.warnings, *recommendation.warnings, *_shortfall(query, recommendation)],
        snapshot_version=snapshot.version,
        request_id=request_id,
        policies=[
            PolicyStep(name=step.name, n_moved=step.n_moved, n_removed=step.n_removed)
            for step in (*resolved.rules, *recommendation.policies)
            if shape.explain
        ],
    )


def served_by(query: Query, provenance: Provenance) -> ServedBy.ValueType:
    """What the shown items rest on: anything but popularity, and then the user's history if there is one."""
    returned = np.flatnonzero(np.isfinite(provenance.ranks).any(axis=0))
    others = {provenance.names[column] for column in returned} - POPULARITY
    if not others:
        return ServedBy.SERVED_BY_POPULAR
    if others == {SEGMENT} or (others <= FROM_PROFILE and not len(query.history)):
        return ServedBy.SERVED_BY_SEGMENT
    return ServedBy.SERVED_BY_PERSONALISED if len(query.history) else ServedBy.SERVED_BY_CONTENT


def items_of(snapshot: Snapshot, numbers: Int32, ids: Sequence[str]) -> list[Item]:
    """What the catalogue of ``snapshot`` knows of items ``numbers``, whose ids are ``ids``."""
    catalogue = snapshot.catalogue
    columns = zip(
        ids,
        catalogue.titles.many(numbers),
        catalogue.categories.many(numbers),
        catalogue.brands.many(numbers),
        catalogue.prices[numbers].tolist(),
        catalogue.in_stock[numbers].tolist(),
        catalogue.created_at[numbers].tolist(),
        strict=True,
    )
    items = [
        Item(
            item_id=id,
            title=title,
            category=category,
            brand=brand,
            price=None if math.isnan(price) else price,
            in_stock=in_stock,
            created_at=Timestamp(seconds=created_at) if created_at else None,
        )
        for id, title, category, brand, price, in_stock, created_at in columns
    ]
    for name, values in snapshot.filters.attributes(numbers).items():
        for item, value in zip(items, values, strict=True):
            if value is not None:
                _tell(item.attributes[name], value)
    return items


def _tell(message: AttributeValue, value: ItemValue) -> None:
    match value:
        case str():
            message.text = value
        # Before numbers, of which Python takes them for some.
        case bool():
            message.flag = value
        case tuple():
            message.texts.values.extend(value)
        case _:
            message.number = value


def _degraded(recommendation: Recommendation) -> list[str]:
    return [
        *(f"source_failed:{name}" for name in recommendation.failed_sources),
        *(f"source_skipped:{name}" for name in recommendation.skipped_sources),
        *(() if recommendation.is_ranked else ("stage_skipped:rank",)),
    ]


def _shortfall(query: Query, recommendation: Recommendation) -> list[str]:
    n_results = len(recommendation.slate)
    if n_results >= query.limit:
        return []
    short = f"only {n_results} of {query.limit} results: "
    if recommendation.failed_sources or recommendation.skipped_sources:
        return [f"{short}not every source was heard, see degraded_reasons"]
    rules = f"serving config {query.config.name}" + (" and the filter" if query.filtered else "")
    return [f"{short}no more items fit {rules}"]
