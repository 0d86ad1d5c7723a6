"""Why an item is in the answer, in codes and plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys.als import ItemFactors
from recsys.arrays import Float32, Float64, Int32, Int64, frozen
from recsys.decay import DAY_S, age_weeks, two_scale
from recsys.grouping import Groups
from recsys.query import Query, Recommendation
from recsys.text_vectors import TextVectors

if TYPE_CHECKING:
    from recsys.catalogue import Catalogue
    from recsys.context import Context

MOST_BECAUSE = 2
# Sources whose reason is the same for every item, and those that go by what people take together.
PLAIN = {
    "history": ("HISTORY", "From your own history"),
    "popular": ("POPULAR", "Popular in the last 4 weeks"),
    "fresh": ("FRESH", "New here, and customers already take it"),
    "trending": ("TRENDING", "Popular in the last 2 weeks"),
    "first": ("TRIED", "Many customers try this lately"),
    "affinity": ("CATEGORY", "Popular among the kinds of things you take"),
    "user-knn": ("NEIGHBOURS", "Customers whose taste is like yours take this"),
    "segment": ("SEGMENT", "Popular with customers whose profile is like yours"),
}
TASTE = frozenset({"als", "ease", "item-knn", "item2vec", "two-tower"})
NO_ITEMS: Int32 = frozen([], np.int32)


@dataclass(frozen=True, slots=True)
class Reason:
    """code: stable, for machines · text: a sentence for a person · items (n,) int32: the items the sentence names."""

    code: str
    text: str
    items: Int32


def reasons(context: Context, query: Query, recommendation: Recommendation) -> list[tuple[Reason, ...]]:
    """Reasons of each item of the slate, the strongest first; never empty.

    An item of the user's own history is explained by that record alone. Others name the sources that returned them,
    best rank first: people's taste, text, or popularity.
    """
    shown = recommendation.slate.items
    provenance = recommendation.provenance
    record = _own_record(query, shown)
    because = _Because.of(context, query)
    out: list[tuple[Reason, ...]] = []
    for row, item in enumerate(shown.tolist()):
        own = record.get(item)
        if own is not None:
            out.append((_own_reason(*own),))
            continue
        ranks = provenance.ranks[row]
        order = [int(i) for i in np.argsort(ranks, kind="stable") if np.isfinite(ranks[i])]
        # Two sources may come to the same words.
        found = {reason.text: reason for reason in (because.reason(provenance.names[i], item) for i in order)}
        out.append(tuple(found.values())[:2] or (Reason("CANDIDATE", "Fits what you took before", NO_ITEMS),))
    return out


def _own_record(query: Query, items: Int32) -> dict[int, tuple[int, float, float, bool]]:
    """item -> (times taken, days since the last, mean days between, owned) for the shown items of the history."""
    history = query.history
    # Looking at an owned item is not taking it: only its target events count.
    mine = np.isin(history.items, items) & (history.targets | ~np.isin(history.items, history.owned))
    if not mine.any():
        return {}
    rows, times, targets = history.items[mine], history.times[mine], history.targets[mine]
    groups = Groups.of(rows.astype(np.int64))
    count = groups.counts
    last, first = groups.first(times), groups.last(times)
    owned = groups.sum(targets.astype(np.float32)) > 0
    gap = (last - first) / np.maximum(count - 1, 1) / DAY_S
    days = (query.at - last) / DAY_S
    return {
        int(key): (int(n), float(d), float(g), bool(o))
        for key, n, d, g, o in zip(groups.keys, count, days, gap, owned, strict=True)
    }


def _own_reason(count: int, days: float, gap: float, owned: bool) -> Reason:
    when = _ago(days)
    if not owned:
        return Reason("VIEWED", f"You looked at this {when}", NO_ITEMS)
    if count == 1:
        return Reason("BOUGHT_BEFORE", f"You took this {when}", NO_ITEMS)
    if count >= 3 and gap >= 1:
        return Reason("REGULAR", f"You take this about every {_span(gap)}; last {when}", NO_ITEMS)
    return Reason("BOUGHT_BEFORE", f"You took this {count} times; last {when}", NO_ITEMS)


def _ago(days: float) -> str:
    return "today" if days < 1 else "yesterday" if days < 2 else f"{_span(days)} ago"


def _span(days: float) -> str:
    if days < 14:
        n = max(round(days), 1)
        return f"{n} day{'s' if n != 1 else ''}"
    if days < 70:
        return f"{round(days / 7)} weeks"
    return f"{round(days / 30.4)} months"


@dataclass(frozen=True, slots=True)
class _Because:
    """The user's own items as grounds for others, prepared once an answer."""

    catalogue: Catalogue
    factors: ItemFactors | None
    texts: TextVectors | None
    items: Int32
    weights: Float64
    context_items: Int32

    @classmethod
    def of(cls, context: Context, query: Query) -> _Because:
        groups = Groups.of(query.history.items.astype(np.int64))
        weights = groups.sum(query.history.weights * two_scale(age_weeks(query.history.times, query.at)))
        # The heaviest items alone: a sentence names two of them, and the products below stay small.
        heaviest = np.lexsort((groups.keys, -weights))[:100]
        items = frozen(groups.keys[heaviest], np.int32)
        return cls(context.catalogue, context.factors, context.texts, items, weights[heaviest], query.context_items)

    def reason(self, source: str, item: int) -> Reason:
        """Why ``source`` returned ``item``."""
        if source == "two-tower" and not len(self.items):
            source = "segment"  # it had nothing but the profile to go by
        if (plain := PLAIN.get(source)) is not None:
            return Reason(*plain, NO_ITEMS)
        if source == "similar-content":
            return self._naming("CONTENT", "Similar to", self.context_items[:MOST_BECAUSE])
        if source == "similar-als":
            return self._naming("SIMILAR", "Customers who take {} also take this", self.context_items[:MOST_BECAUSE])
        if source == "next":
            return self._naming("NEXT", "Often taken after {}", self._nearest_factors(item))
        if source in TASTE:
            return self._naming("TASTE", "Customers who take {} also take this", self._nearest_factors(item))
        if source == "content":
            return self._naming("CONTENT", "Similar to", self._nearest_texts(item))
        return Reason("CANDIDATE", "Fits what you took before", NO_ITEMS)

    def _naming(self, code: str, phrase: str, items: Int32) -> Reason:
        if not len(items):
            return Reason(code, "Fits what you took before", NO_ITEMS)
        names = " and ".join(self.catalogue.titles.many(items))
        return Reason(code, phrase.format(names) if "{}" in phrase else f"{phrase} {names}", items)

    def _nearest_factors(self, item: int) -> Int32:
        if self.factors is None:
            return NO_ITEMS
        mine = self.factors.factors[self.items]
        # Cosine, not the inner product: the longest vectors belong to what everybody takes, which explains nothing.
        lengths = np.linalg.norm(mine, axis=1) + np.float32(1e-9)
        return self._strongest(mine @ self.factors.factors[item] / lengths, item)

    def _nearest_texts(self, item: int) -> Int32:
        if self.texts is None or self.texts.text_of[item] < 0:
            return NO_ITEMS
        rows = self.texts.text_of[self.items]
        closeness = self.texts.vectors[rows] @ self.texts.vectors[self.texts.text_of[item]]
        return self._strongest(np.where(rows >= 0, closeness, -np.inf).astype(np.float32), item)

    def _strongest(self, closeness: Float32, item: int) -> Int32:
        usable = np.flatnonzero((closeness > 0) & (self.items != item))
        strength: Float64 = closeness[usable] * self.weights[usable] ** 0.25
        best: Int64 = usable[np.lexsort((self.items[usable], -strength))[:MOST_BECAUSE]]
        return self.items[best]
