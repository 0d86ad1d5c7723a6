"""What most users took lately: the source that always answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Int32, frozen
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter


@dataclass(frozen=True, slots=True)
class Popular:
    """Items by score, the same for everyone. ranking (n,) int32 best first, scores (n,) in that order, of n items."""

    ranking: Int32
    scores: Float32
    name: str = "popular"

    @classmethod
    def of(cls, scores: Float32, name: str = "popular", *, among: Bool | None = None) -> Popular:
        """Rank ``scores`` (n_items,) once; ties by item number. ``among`` (n_items,): only these items."""
        order = np.lexsort((np.arange(len(scores)), -scores))
        order = order if among is None else order[among[order]]
        return cls(frozen(order, np.int32), frozen(scores[order], np.float32), name)

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` best allowed items, walking down the ranking only as far as needed."""
        if k <= 0 or not len(self.ranking):
            return EMPTY_HITS
        depth = 2 * k
        while True:
            positions = np.flatnonzero(query.allowed[self.ranking[:depth]])[:k]
            if len(positions) == k or depth >= len(self.ranking):
                return Hits(frozen(self.ranking[positions], np.int32), frozen(self.scores[positions], np.float32))
            depth *= 4

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``<name>.*`` arrays."""
        out.array(f"{self.name}.ranking", self.ranking)
        out.array(f"{self.name}.scores", self.scores)

    @classmethod
    def read(cls, src: SnapshotReader, name: str = "popular") -> Popular:
        """The ranking that ``write`` stored."""
        return cls(src.array(f"{name}.ranking"), src.array(f"{name}.scores"), name)
