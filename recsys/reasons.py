"""Why an item is in the answer: codes, and what a sentence about each must be filled with. Sentences are not made here.

Only what is so is said: a source that returned an item is no reason where the facts do not bear its sentence.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from recsys.arrays import Float32, Int32, frozen
from recsys.context import Context
from recsys.decay import DAY_S
from recsys.grounds import MOST_NAMED, NO_ITEMS, Grounds
from recsys.own_record import OwnRecord, own_records
from recsys.query import Query, Recommendation
from recsys.sources.popular import Popular
from recsys.sources.protocol import Source
from recsys.sources.relevance import RELEVANCE
from recsys.sources.user_neighbours import UserNeighbours
from recsys.statistics import NAMES

MOST_REASONS = 2
# Popularity that is told as such: the upper quarter of what anybody took.
POPULAR_SHARE = 4
# What the catalogue has had for longer is not new, however lately it was first taken.
NEW_DAYS = 90.0
# By what people take; where such a source cannot name items, matrix factorisation names them.
TASTE = frozenset({"als", "ease", "item-knn", "two-tower", "adoption"})
# They go by the profile of who has no history.
FROM_EITHER = frozenset({"two-tower", "adoption"})
# Codes of the others that go by the user's items.
OF_ITEMS = {"content": "CONTENT", "next": "NEXT", "item2vec": "TOGETHER", "affinity": "CATEGORY"}
NAMES_FOR_OTHERS = "als"
NO_SCORES: Float32 = frozen([], np.float32)
USERS_4W, TREND = NAMES.index("users_4w"), NAMES.index("trend")


@dataclass(frozen=True, slots=True)
class Reason:
    """code: stable, for machines; each has a sentence · items (n,) int32: the items it names or refers to · count, days
    and gap_days: how often the user took the item, how long ago, how far between · place: where it is new, "" unknown.
    """

    code: str
    items: Int32 = field(default_factory=lambda: NO_ITEMS)
    count: int = 0
    days: float = 0.0
    gap_days: float = 0.0
    place: str = ""


CODES = (
    "REGULAR",
    "BOUGHT_BEFORE",
    "VIEWED",
    "TASTE",
    "VIEWED_LIKE",
    "TOGETHER",
    "NEXT",
    "CONTENT",
    "SIMILAR",
    "NEIGHBOURS",
    "SEGMENT",
    "CATEGORY",
    "FRESH",
    "TRIED",
    "TRENDING",
    "POPULAR",
    "LATELY",
    "QUERY",
    "CANDIDATE",
)


def reasons(
    context: Context, sources: Mapping[str, Source], query: Query, recommendation: Recommendation
) -> list[tuple[Reason, ...]]:
    """Reasons of each item of the slate, the strongest first; one or two.

    An item of the user's own history is explained by that record alone. Others name the sources that returned them,
    best rank first: people's taste, text, or popularity; none says the same in other names.
    """
    shown = recommendation.slate.items
    provenance = recommendation.provenance
    records = own_records(query, shown)
    others = shown[[item not in records for item in shown.tolist()]]
    speaking = _Speaking(context, sources, query, Grounds.of(query, sources, others))
    order = np.argsort(provenance.ranks, axis=1, kind="stable").tolist()
    n_hits = np.isfinite(provenance.ranks).sum(axis=1).tolist()
    scores = provenance.scores.tolist()
    out: list[tuple[Reason, ...]] = []
    for row, item in enumerate(shown.tolist()):
        if (record := records.get(item)) is not None:
            out.append((_own_reason(record),))
            continue
        found: dict[str, Reason] = {}
        for column in order[row][: n_hits[row]]:
            reason = speaking.reason(provenance.names[column], item, scores[row][column], said=found)
            if reason is not None:
                found.setdefault(reason.code, reason)
            if len(found) == MOST_REASONS:
                break
        if not found and recommendation.explored is not None and recommendation.explored[row]:
            found["FRESH"] = Reason("FRESH", place=speaking.place(item))
        out.append(tuple(found.values()) or (Reason("CANDIDATE"),))
    return out


def _own_reason(record: OwnRecord) -> Reason:
    code = "VIEWED" if not record.owned else "REGULAR" if record.regular else "BOUGHT_BEFORE"
    return Reason(code, count=record.count, days=record.days, gap_days=record.gap_days)


@dataclass(frozen=True, slots=True)
class _Speaking:
    """The sources of one answer, asked for their reasons. popular_from: scores worked out once, by source."""

    context: Context
    sources: Mapping[str, Source]
    query: Query
    grounds: Grounds
    popular_from: dict[str, float] = field(default_factory=dict)

    def reason(self, source: str, item: int, score: float, *, said: Collection[str]) -> Reason | None:
        """Why ``source`` returned ``item`` with ``score``; None where nothing true and new to ``said`` is known."""
        if source == RELEVANCE:
            return Reason("QUERY")
        if source in ("popular", "first", "trending", "fresh"):
            return self._popular(source, item, score)
        if source in ("similar-content", "similar-als"):
            return self._naming("CONTENT" if source == "similar-content" else "SIMILAR", self._on_the_page(source))
        if source == "segment" or (source in FROM_EITHER and not len(self.query.history)):
            return Reason("SEGMENT")
        if not len(self.grounds.items):
            return None
        if source == "user-knn":
            # Of those who count, some may only have looked at it, and the sentence says that they buy it.
            neighbours = self.sources.get(source)
            looks = isinstance(neighbours, UserNeighbours) and neighbours.everything
            return None if looks else Reason("NEIGHBOURS")
        code = OF_ITEMS.get(source, "TASTE" if self.grounds.taken else "VIEWED_LIKE")
        if code in said or (code == "CATEGORY" and not self.grounds.taken):
            return None  # naming items costs more than all else here
        items = self.grounds.named(source, item)
        if not len(items) and source in TASTE:
            items = self.grounds.named(NAMES_FOR_OTHERS, item)
        return self._naming(code, items)

    def _popular(self, source: str, item: int, score: float) -> Reason | None:
        statistics = self.context.statistics.values[item]
        if source == "fresh" and self._is_new(item):
            return Reason("FRESH", place=self.place(item))
        if not statistics[USERS_4W] > 0:
            return None
        if score < self._upper_part(source):
            return Reason("LATELY")
        if source == "first":
            return Reason("TRIED")
        return Reason("TRENDING" if source == "trending" and statistics[TREND] > 0 else "POPULAR")

    def place(self, item: int) -> str:
        """Where ``item`` is new: the last level of its category."""
        return self.context.catalogue.categories[item].rpartition(" > ")[2]

    def _upper_part(self, source: str) -> float:
        """The score from which on ``source`` is called popular: that of the last of its upper quarter above 0."""
        if source not in self.popular_from:
            ranking = self.sources.get(source)
            scores = ranking.scores if isinstance(ranking, Popular) else NO_SCORES
            n_taken = bisect_left(scores, True, key=lambda score: not score > 0)
            self.popular_from[source] = float(scores[(n_taken - 1) // POPULAR_SHARE]) if n_taken else math.inf
        return self.popular_from[source]

    def _is_new(self, item: int) -> bool:
        created = int(self.context.catalogue.created_at[item])
        return created == 0 or (self.query.at - created) / DAY_S < NEW_DAYS

    def _on_the_page(self, source: str) -> Int32:
        """The first items of the page that ``source`` went by: those with a text, or with factors."""
        items, texts, factors = self.query.context_items, self.context.texts, self.context.factors
        if source == "similar-content" and texts is not None:
            items = items[texts.text_of[items] >= 0]
        if source == "similar-als" and factors is not None:
            items = items[factors.factors[items].any(axis=1)]
        return items[:MOST_NAMED]

    def _naming(self, code: str, items: Int32) -> Reason | None:
        return Reason(code, items) if len(items) else None
