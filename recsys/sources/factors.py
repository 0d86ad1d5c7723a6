"""Matrix factorisation: the user's vector by fold-in, the items by inner product in a vector index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.als import ItemFactors
from recsys.arrays import Float32, Int32
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class Factors:
    """items (n,) int32: the item number of each row of ``index``; items without interactions are not in it."""

    model: ItemFactors
    index: VectorIndex
    items: Int32
    name: str = "als"

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items with the largest inner product with the user's vector."""
        if not len(query.history):
            return EMPTY_HITS
        vector = self.model.vector_of(query)
        if not vector.any():
            return EMPTY_HITS  # none of the items has factors: every score would be 0, the order an accident
        rows, scores = self.index.search(vector, k, query.allowed[self.items])
        return Hits.best_first(self.items[rows], scores, k)

    def score(self, query: Query, items: Int32) -> Float32:
        """Inner product of each of ``items`` (C,) with the user's vector, 0 for one without factors."""
        products: Float32 = self.model.factors[items] @ self.model.vector_of(query)
        return products

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``als.*`` arrays and an index."""
        out.array("als.factors", self.model.factors)
        out.array("als.gram", self.model.gram)
        out.array("als.alpha", np.array([self.model.alpha]))
        out.array("als.items", self.items)
        self.index.write(out, "als")

    @classmethod
    def read(cls, src: SnapshotReader) -> Factors:
        """The model that ``write`` stored, memory-mapped."""
        model = ItemFactors(src.array("als.factors"), src.array("als.gram"), float(src.array("als.alpha")[0]))
        return cls(model, VectorIndex.read(src, "als"), src.array("als.items"))
