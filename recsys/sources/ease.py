"""EASE, a linear autoencoder over items with a closed form, kept as vectors.

Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019: B = I - P·diag(1/diag P), P = (XᵀX + λI)⁻¹.
By the Woodbury identity λP = I - ZZᵀ with Z = V·diag(σ/√(σ² + λ)) of the right singular vectors V and values σ of X, so
the score of item j for preferences h is (z_j·Zᵀh - h_j·d_j) / (1 - d_j) with d_j = |z_j|². All of Z is exact; its first
columns, d being that of the columns kept, are a low-rank model that an inner-product index can search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.als import faded, preference_weights
from recsys.arrays import Float32, Int32, frozen
from recsys.grouping import positions, products, rows_of
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class Ease:
    """vectors (n, r) float32 = Z / (1 - d) by row · own (n,) float32 = d · items (n,) int32 ascending: the item of
    each row · indexed (m,) int32: rows that ``index`` holds, the most used; all of them can be scored.
    """

    vectors: Float32
    own: Float32
    items: Int32
    indexed: Int32
    index: VectorIndex
    name: str = "ease"

    def _state(self, query: Query) -> tuple[Float32, Int32, Float32]:
        """Zᵀh (r,), and rows (m,) and preferences (m,) of the user's items; worked out once a query."""
        return query.remember((Ease, id(self)), lambda: self._work_out(query))

    def _work_out(self, query: Query) -> tuple[Float32, Int32, Float32]:
        items, preferences = preference_weights(query.history.items, faded(query.history, query.at))
        rows, known = positions(self.items, items)
        own_rows, preferences = frozen(rows[known], np.int32), preferences[known]
        return (preferences * (1.0 - self.own[own_rows])) @ self.vectors[own_rows], own_rows, preferences

    @property
    def indexed_vectors(self) -> Float32:
        """(m, r)."""
        return self.vectors[self.indexed]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The vectors, and what an item explains of itself."""
        return {"vectors": self.vectors, "own": self.own}

    def vector_of(self, query: Query) -> Float32 | None:
        """Zᵀh; None when none of the user's items has a vector."""
        vector, own_rows, _ = self._state(query)
        return vector if len(own_rows) else None

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items with the largest score."""
        if not len(query.history) or k <= 0:
            return EMPTY_HITS
        vector, own_rows, _ = self._state(query)
        if not len(own_rows):
            return EMPTY_HITS
        # The index knows nothing of the user's own items losing their own part: those are scored beside its answer.
        mine = own_rows[query.allowed[self.items[own_rows]]]
        allowed = query.allowed[self.items[self.indexed]]
        allowed[np.searchsorted(self.indexed, np.intersect1d(mine, self.indexed, assume_unique=True))] = False
        places, _ = self.index.search(vector, k, allowed)
        items = self.items[np.concatenate([self.indexed[places], mine])]
        return Hits.best_first(items, self.score(query, items), k)

    def score(self, query: Query, items: Int32) -> Float32:
        """Score of each of ``items`` (C,); NaN for an item too rare to have a vector or a user without any that has."""
        vector, own_rows, preferences = self._state(query)
        rows, known = positions(self.items, items)
        scores = self.vectors[rows] @ vector
        if len(own_rows):
            place = np.searchsorted(own_rows, rows)
            place[place == len(own_rows)] = 0
            mine = own_rows[place] == rows
            own = self.own[rows]
            scores = scores - np.where(mine, preferences[place] * own / (1.0 - own), 0.0).astype(np.float32)
        else:
            known = np.zeros_like(known)
        return np.where(known, scores, np.float32(np.nan)).astype(np.float32)

    def spoken_for(self, items: Int32, own: Int32) -> Float32:
        """(C, m): what a unit of preference for each of ``own`` adds to the score; 0 where one has no vector."""
        weights = 1.0 - rows_of(self.own[:, None], self.items, own)
        return products(rows_of(self.vectors, self.items, items), rows_of(self.vectors, self.items, own) * weights)

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``ease.*`` arrays and an index."""
        for part in ("vectors", "own", "items", "indexed"):
            out.array(f"{self.name}.{part}", getattr(self, part))
        self.index.write(out, self.name)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> Ease:
        """The source that ``write`` stored, memory-mapped."""
        vectors, own, items, indexed = (src.array(f"{name}.{p}") for p in ("vectors", "own", "items", "indexed"))
        return cls(vectors, own, items, indexed, VectorIndex.read(src, name), name)
