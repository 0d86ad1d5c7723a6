"""Popularity among people with a like profile: what a new customer of whom only the profile is known is given.

A naive Bayes model: log p(item) + Σ over profile columns of log p(item | value) / p(item), each ratio shrunk to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Int32, frozen
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter


@dataclass(frozen=True, slots=True)
class SegmentPopular:
    """items (n,) int32 ascending: the popular ones that are told apart · prior (n,) float32 = log p(item) ·
    lift (B, n) float32: log ratio of each bin of each profile column · bins (n_users, P) int32: row of ``lift`` of each
    user and column, -1 unknown.
    """

    items: Int32
    prior: Float32
    lift: Float32
    bins: Int32
    name: str = "segment"

    def scores(self, query: Query) -> Float32:
        """Of ``items`` (n,); worked out once a query."""
        return query.remember((SegmentPopular, id(self)), lambda: self._scores(query.bins_of(self.bins)))

    def _scores(self, bins: Int32) -> Float32:
        scores: Float32 = self.prior + self.lift[bins].sum(axis=0)
        return scores

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items most likely for the profile; none for a user without one."""
        if k <= 0 or not len(query.bins_of(self.bins)):
            return EMPTY_HITS
        allowed = query.allowed[self.items]
        return Hits.best_first(self.items[allowed], self.scores(query)[allowed], k)

    def score(self, query: Query, items: Int32) -> Float32:
        """Score of each of ``items`` (C,), NaN for one that is not told apart."""
        place = np.searchsorted(self.items, items)
        place[place == len(self.items)] = 0
        known = self.items[place] == items
        return np.where(known, self.scores(query)[place], np.float32(np.nan)).astype(np.float32)

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``segment.*`` arrays."""
        for part in ("items", "prior", "lift", "bins"):
            out.array(f"{self.name}.{part}", getattr(self, part))

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> SegmentPopular:
        """The source that ``write`` stored, memory-mapped."""
        items, prior, lift, bins = (frozen(src.array(f"{name}.{p}"), None) for p in ("items", "prior", "lift", "bins"))
        return cls(items, prior, lift, bins, name)
