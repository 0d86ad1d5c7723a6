"""What people who have the same things and are alike take next: a logistic model an item, for shops of few products.

Log-odds that somebody without the item takes it soon: a constant, what each thing they have adds, what each bin of
their profile adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Int32, frozen
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

PARTS = ("items", "bias", "of_items", "of_bins", "bins")


@dataclass(frozen=True, slots=True)
class Adoption:
    """items (n,) int32 ascending: those that enough people took for the first time · bias (n,) float32 · of_items
    (n_items, n), of_bins (B, n) float32: what having an item and being in a bin add to each · bins (n_users, P) int32:
    row of ``of_bins`` of each user and profile column, -1 unknown.
    """

    items: Int32
    bias: Float32
    of_items: Float32
    of_bins: Float32
    bins: Int32
    name: str = "adoption"

    def scores(self, query: Query) -> Float32 | None:
        """Of ``items`` (n,), worked out once a query; None without either history or profile."""
        return query.remember((Adoption, id(self)), lambda: self._scores(query))

    def _scores(self, query: Query) -> Float32 | None:
        # Items that came since it was fitted are past the end of its tables.
        bins, owned = query.bins_of(self.bins), query.owned[query.owned < len(self.of_items)]
        if not len(bins) and not len(owned):
            return None
        scores: Float32 = self.bias + self.of_items[owned].sum(axis=0) + self.of_bins[bins].sum(axis=0)
        return scores

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items most likely to be taken up; none for a user without either history or profile."""
        if k <= 0 or (scores := self.scores(query)) is None:
            return EMPTY_HITS
        allowed = query.allowed[self.items]
        return Hits.best_first(self.items[allowed], scores[allowed], k)

    def score(self, query: Query, items: Int32) -> Float32:
        """Score of each of ``items`` (C,), NaN without either, and for an item that too few took up."""
        if (scores := self.scores(query)) is None or not len(self.items):
            return np.full(len(items), np.nan, np.float32)
        place = np.searchsorted(self.items, items)
        place[place == len(self.items)] = 0
        known = self.items[place] == items
        return np.where(known, scores[place], np.float32(np.nan)).astype(np.float32)

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``adoption.*`` arrays."""
        for part in PARTS:
            out.array(f"{self.name}.{part}", getattr(self, part))

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> Adoption:
        """The source that ``write`` stored, memory-mapped."""
        items, bias, of_items, of_bins, bins = (frozen(src.array(f"{name}.{part}"), None) for part in PARTS)
        return cls(items, bias, of_items, of_bins, bins, name)
