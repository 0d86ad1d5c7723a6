"""Item-based collaborative filtering: items beside those the user took, by any item-to-item table.

Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001; Steck, "Embarrassingly shallow
autoencoders for sparse data", WWW 2019, whose table is another one of the same form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.als import faded, preference_weights
from recsys.arrays import Float32, Int32, frozen
from recsys.grouping import positions
from recsys.query import EMPTY_HITS, History, Hits, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sparse import SparseTable, best_of

MOST_RECENT = 12


@dataclass(frozen=True, slots=True)
class ItemNeighbours:
    """table: (n_items, n_items) neighbours of each item · recent: the user's last few items count, the latest most,
    instead of all by preference (for tables that say what comes next).
    """

    table: SparseTable
    name: str
    recent: bool = False

    def scores(self, query: Query) -> Float32:
        """Σ over the user's items of weight · similarity, (n_items,); worked out once a query."""
        return query.remember((ItemNeighbours, id(self)), lambda: self._scores(query.history, query.at))

    def _scores(self, history: History, at: int) -> Float32:
        items, weights = latest(history) if self.recent else preference_weights(history.items, faded(history, at))
        return self.table.weighted_sum(items, weights)

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items with the largest score above 0."""
        return best_of(self.scores(query), query.allowed, k) if len(query.history) else EMPTY_HITS

    def score(self, query: Query, items: Int32) -> Float32:
        """Score of each of ``items`` (C,)."""
        return self.scores(query)[items]

    def spoken_for(self, items: Int32, own: Int32) -> Float32:
        """(C, m): the table's entries in the rows ``own``."""
        row, column, value = self.table.entries(own)
        ascending = np.argsort(items, kind="stable")
        place, wanted = positions(items[ascending], column)
        out = np.zeros((len(items), len(own)), np.float32)
        out[ascending[place[wanted]], row[wanted]] = value[wanted]
        return out

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``<name>.*``."""
        self.table.write(out, self.name)
        out.array(f"{self.name}.recent", np.array([self.recent]))

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> ItemNeighbours:
        """The source that ``write`` stored."""
        return cls(SparseTable.read(src, name), name, bool(src.array(f"{name}.recent")[0]))


def latest(history: History) -> tuple[Int32, Float32]:
    """The last ``MOST_RECENT`` distinct liked items (m,) and weights 1, 1/2, 1/3 … of (m,) by recency."""
    liked = history.items[history.weights > 0]
    _, first = np.unique(liked, return_index=True)
    positions = np.sort(first)[:MOST_RECENT]
    return liked[positions], frozen(1.0 / np.arange(1, len(positions) + 1), np.float32)
