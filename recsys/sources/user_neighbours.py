"""User-based collaborative filtering: what people with a like taste took, or did, lately.

Resnick et al., "GroupLens", CSCW 1994, for unary data: cosine of preferences, popular items counting less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.als import faded, preference_weights
from recsys.arrays import Float32, Int32
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sparse import SparseTable, best_of

N_NEAR = 200


@dataclass(frozen=True, slots=True)
class UserNeighbours:
    """takers: item -> pooled users, values such that a row sum weighted by preference is a cosine up to the asker's own
    length · recent: pooled user -> what they took lately · users (P,) int32: user number of each pooled user ·
    n_near: how many of them count, the nearest · everything: ``recent`` holds what they only looked at, too.
    """

    takers: SparseTable
    recent: SparseTable
    users: Int32
    name: str = "user-knn"
    n_near: int = N_NEAR
    everything: bool = False

    def scores(self, query: Query) -> Float32:
        """What the nearest users took lately, weighted by likeness, (n_items,); worked out once a query."""
        return query.remember((UserNeighbours, id(self)), lambda: self._scores(query))

    def _scores(self, query: Query) -> Float32:
        likeness = self.takers.weighted_sum(*preference_weights(query.history.items, faded(query.history, query.at)))
        for own in query.selves or (query.user,):
            if own is not None:
                likeness[self.users == own] = 0.0  # the asker is no neighbour of their own
        near = np.flatnonzero(likeness > 0)
        if len(near) > self.n_near:
            near = near[np.argpartition(-likeness[near], self.n_near)[: self.n_near]]
        weights = likeness[near]
        return self.recent.weighted_sum(np.sort(near), weights[np.argsort(near)] / max(float(weights.sum()), 1e-9))

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items with the largest score above 0."""
        return best_of(self.scores(query), query.allowed, k) if len(query.history) else EMPTY_HITS

    def score(self, query: Query, items: Int32) -> Float32:
        """Score of each of ``items`` (C,)."""
        return self.scores(query)[items]

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``user-knn.*``."""
        self.takers.write(out, f"{self.name}.takers")
        self.recent.write(out, f"{self.name}.recent")
        out.array(f"{self.name}.users", self.users)
        out.array(f"{self.name}.settings", np.array([self.n_near, self.everything], np.int32))

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> UserNeighbours:
        """The source that ``write`` stored, memory-mapped."""
        takers, recent = SparseTable.read(src, f"{name}.takers"), SparseTable.read(src, f"{name}.recent")
        # Snapshots of before they could be chosen do not say.
        given = src.array(f"{name}.settings").tolist() if src.has(f"{name}.settings") else (N_NEAR, False)
        return cls(takers, recent, src.array(f"{name}.users"), name, int(given[0]), bool(given[1]))
