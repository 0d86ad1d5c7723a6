"""Item2Vec: items beside those the user took lately, by vectors of what lies in one basket.

Barkan & Koenigstein, "Item2Vec: Neural Item Embedding for Collaborative Filtering", MLSP 2016. As in its skip-gram
model an item has two vectors, one as what is there and one as what is found beside it. Their inner product says how
much more often than by chance the second item comes with the first. What a user took counts by the first kind, what
they may want by the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Float32, Int32, frozen
from recsys.decay import age_weeks, exponential
from recsys.grouping import Groups, positions, products, rows_of
from recsys.query import EMPTY_HITS, History, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.vector_index import VectorIndex

NAME = "item2vec"
# What a user took keeps a third of its say after this many weeks; 4 to 40 were alike on Complete Journey.
FADE_WEEKS = 20.0


@dataclass(frozen=True, slots=True)
class Item2Vec:
    """taken (n, d) float32 of unit length: vectors of what a user has · beside (n, d) float32: vectors of what is found
    with it, which ``index`` holds · items (n,) int32 ascending: the item of each row.
    """

    taken: Float32
    beside: Float32
    items: Int32
    index: VectorIndex
    name: str = NAME

    @property
    def indexed_vectors(self) -> Float32:
        """(n, d)."""
        return self.beside

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Both vectors of the items."""
        return {"taken": self.taken, "beside": self.beside}

    def vector_of(self, query: Query) -> Float32 | None:
        """The user's unit vector (d,); None when none of their items has one. Worked out once a query."""
        return query.remember((Item2Vec, id(self)), lambda: self.user_vector(query.history, query.at))

    def user_vector(self, history: History, at: int) -> Float32 | None:
        """Mean of the liked items' vectors, weighted by their faded weights as of ``at`` and brought to length 1."""
        groups = Groups.of(history.items.astype(np.int64))
        weights = groups.sum(history.weights * exponential(age_weeks(history.times, at), FADE_WEEKS))
        rows, known = positions(self.items, groups.keys)
        vector = weights[known].astype(np.float32) @ self.taken[rows[known]]
        length = np.linalg.norm(vector)
        return frozen(vector / length, np.float32) if length > 0 else None

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items with the largest inner product with the user's vector."""
        vector = self.vector_of(query)
        if vector is None:
            return EMPTY_HITS
        rows, scores = self.index.search(vector, k, query.allowed[self.items])
        return Hits.best_first(self.items[rows], scores, k)

    def score(self, query: Query, items: Int32) -> Float32:
        """Inner product of each of ``items`` (C,) with the user's vector; NaN where either has no vector."""
        vector = self.vector_of(query)
        if vector is None:
            return np.full(len(items), np.nan, np.float32)
        rows, known = positions(self.items, items)
        return np.where(known, self.beside[rows] @ vector, np.float32(np.nan)).astype(np.float32)

    def spoken_for(self, items: Int32, own: Int32) -> Float32:
        """(C, m): how much more often than by chance the item comes with each of ``own``; 0 where one has no vector."""
        return products(rows_of(self.beside, self.items, items), rows_of(self.taken, self.items, own))

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``item2vec.*`` arrays and an index."""
        for part in ("taken", "beside", "items"):
            out.array(f"{self.name}.{part}", getattr(self, part))
        self.index.write(out, self.name)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> Item2Vec:
        """The source that ``write`` stored, memory-mapped."""
        taken, beside, items = (src.array(f"{name}.{part}") for part in ("taken", "beside", "items"))
        return cls(taken, beside, items, VectorIndex.read(src, name), name)
