"""The user's own items as grounds for others: which of them speak for an item, in the eyes of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from recsys.arrays import Float32, Float64, Int32, frozen
from recsys.decay import age_weeks, two_scale
from recsys.grouping import Groups
from recsys.query import Query
from recsys.sources.protocol import Source, Speaker

NO_ITEMS: Int32 = frozen([], np.int32)
MOST_NAMED = 2
# A sentence names two, and the products stay small.
HEAVIEST = 40


@dataclass(frozen=True, slots=True)
class Grounds:
    """items (m,) int32 ascending that the user took and liked, weights (m,) > 0 faded · taken: they have target events;
    else the user only looked at them · explained (C,): the items that need grounds · spoken: by source and item, worked
    out when a source is asked first.
    """

    items: Int32
    weights: Float64
    taken: bool
    explained: Int32
    sources: Mapping[str, Source]
    spoken: dict[str, dict[int, Int32]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, query: Query, sources: Mapping[str, Source], explained: Int32) -> Grounds:
        """The heaviest items by weight and recency; what was looked at counts where nothing was taken."""
        history = query.history
        liked = history.weights > 0
        taken = liked & history.targets
        chosen = np.flatnonzero(taken if taken.any() else liked)
        groups = Groups.of(history.items[chosen].astype(np.int64))
        weights = groups.sum(history.weights[chosen] * two_scale(age_weeks(history.times[chosen], query.at)))
        heaviest = np.sort(np.lexsort((groups.keys, -weights))[:HEAVIEST])
        return cls(frozen(groups.keys[heaviest], np.int32), weights[heaviest], bool(taken.any()), explained, sources)

    def named(self, source: str, item: int) -> Int32:
        """The items that ``source`` thinks speak most for ``item``, strongest first; none where it cannot say."""
        if source not in self.spoken:
            asked = self.sources.get(source)
            # isinstance would take longer than the answer.
            able = len(self.items) and hasattr(asked, "spoken_for")
            speaker = cast(Speaker, asked)
            self.spoken[source] = self._named(speaker.spoken_for(self.explained, self.items)) if able else {}
        return self.spoken[source].get(item, NO_ITEMS)

    def _named(self, strength: Float32) -> dict[int, Int32]:
        speaks = (strength > 0) & (self.items != self.explained[:, None])
        heavy = np.where(speaks, strength * self.weights**0.25, -np.inf)
        best = np.argsort(-heavy, axis=1, kind="stable")[:, :MOST_NAMED]  # ties by item
        n_named = np.minimum(speaks.sum(axis=1), MOST_NAMED).tolist()
        named = zip(self.explained.tolist(), self.items[best], n_named, strict=True)
        return {item: row[:n] for item, row, n in named}
