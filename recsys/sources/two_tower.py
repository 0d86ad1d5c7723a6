"""The two-tower model as a source: the user's vector by the tower, the items by inner product in a vector index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Float32, Int32
from recsys.grouping import positions
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.two_tower import TwoTower
from recsys.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class TwoTowerSource:
    """index: over the rows of ``model.vectors``, all items with an event or a text."""

    model: TwoTower
    index: VectorIndex
    name: str = "two-tower"

    @property
    def indexed_vectors(self) -> Float32:
        """(n, d + w)."""
        return self.model.vectors

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of the model's."""
        return self.model.arrays

    def vector_of(self, query: Query) -> Float32 | None:
        """The user's vector; None without either history or profile."""
        return self.model.user_vector(query)

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items with the largest score; none for a user without either history or profile."""
        if k <= 0 or (vector := self.vector_of(query)) is None:
            return EMPTY_HITS
        rows, scores = self.index.search(vector, k, query.allowed[self.model.items])
        return Hits.best_first(self.model.items[rows], scores, k)

    def score(self, query: Query, items: Int32) -> Float32:
        """Inner product of each of ``items`` (C,) with the user's vector; NaN without either, and for an item of which
        neither an event nor a text is known.
        """
        vector = self.vector_of(query)
        if vector is None or not len(self.model.items):
            return np.full(len(items), np.nan, np.float32)
        rows, known = positions(self.model.items, items)
        return np.where(known, self.model.vectors[rows] @ vector, np.float32(np.nan)).astype(np.float32)

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``two-tower.*`` arrays and an index."""
        self.model.write(out, self.name)
        self.index.write(out, self.name)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> TwoTowerSource:
        """The source that ``write`` stored, memory-mapped."""
        return cls(TwoTower.read(src, name), VectorIndex.read(src, name), name)
