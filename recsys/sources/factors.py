"""Matrix factorisation: the user's vector by fold-in, the items by inner product in a vector index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.als import ItemFactors
from recsys.arrays import Float32, Int32
from recsys.grouping import products
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
        if (vector := self.vector_of(query)) is None:
            return EMPTY_HITS
        rows, scores = self.index.search(vector, k, query.allowed[self.items])
        return Hits.best_first(self.items[rows], scores, k)

    @property
    def indexed_vectors(self) -> Float32:
        """(n, f)."""
        return self.model.factors[self.items]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Factors and the Gram matrix users are folded in by."""
        return {"factors": self.model.factors, "gram": self.model.gram}

    def vector_of(self, query: Query) -> Float32 | None:
        """The user's vector; None when no item has factors: every score would be 0, the order an accident."""
        vector = self.model.vector_of(query)
        return vector if vector.any() else None

    def score(self, query: Query, items: Int32) -> Float32:
        """Inner product of each of ``items`` (C,) with the user's vector, 0 for one without factors."""
        products: Float32 = self.model.factors[items] @ self.model.vector_of(query)
        return products

    def spoken_for(self, items: Int32, own: Int32) -> Float32:
        """(C, m): inner products with the directions of ``own``, whatever their length: the longest factors belong to
        what everybody takes, which explains nothing.
        """
        vectors = self.model.factors[own]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-9)
        return products(self.model.factors[items], vectors / lengths)

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
