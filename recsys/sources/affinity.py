"""Popular items of the groups (a category, a brand) the user spends on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Int32, frozen
from recsys.decay import age_weeks, exponential
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sparse import best_of

FADE_WEEKS = 40.0


@dataclass(frozen=True, slots=True)
class AffinityPopular:
    """score = √(the user's faded weight in the group) · recent users of the item / √(those of its group + 1).

    codes (n_items,) int32: the group of each item, -1 without · strength (n_items,) float32: the part that no user
    changes.
    """

    codes: Int32
    strength: Float32
    name: str = "affinity"

    @classmethod
    def of(cls, codes: Int32, users: Float32, name: str = "affinity") -> AffinityPopular:
        """From recent ``users`` (n_items,) of each item."""
        known = codes >= 0
        total = np.bincount(codes[known], weights=users[known].astype(np.float64), minlength=1)
        strength = np.zeros(len(codes), np.float32)
        strength[known] = users[known] / np.sqrt(total[codes[known]] + 1.0)
        return cls(frozen(codes, np.int32), frozen(strength, np.float32), name)

    def scores(self, query: Query) -> Float32:
        """Of all items (n_items,); worked out once a query."""
        return query.remember((AffinityPopular, id(self)), lambda: self._scores(query))

    def _scores(self, query: Query) -> Float32:
        history = query.history
        codes = self.codes[history.items]
        weights = history.weights * exponential(age_weeks(history.times, query.at), FADE_WEEKS)
        known = codes >= 0
        liking = np.bincount(codes[known], weights=weights[known], minlength=int(self.codes.max(initial=0)) + 2)
        return np.sqrt(liking).astype(np.float32)[self.codes] * self.strength  # code -1 reads the empty last place

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items with the largest score above 0."""
        return best_of(self.scores(query), query.allowed, k) if len(query.history) else EMPTY_HITS

    def score(self, query: Query, items: Int32) -> Float32:
        """Score of each of ``items`` (C,)."""
        return self.scores(query)[items]

    def spoken_for(self, items: Int32, own: Int32) -> Float32:
        """(C, m): 1 where both are of one group."""
        codes = self.codes[items]
        alike: Float32 = ((codes[:, None] == self.codes[own]) & (codes >= 0)[:, None]).astype(np.float32)
        return alike

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``<name>.*`` arrays."""
        out.array(f"{self.name}.codes", self.codes)
        out.array(f"{self.name}.strength", self.strength)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> AffinityPopular:
        """The source that ``write`` stored, memory-mapped."""
        return cls(src.array(f"{name}.codes"), src.array(f"{name}.strength"), name)
