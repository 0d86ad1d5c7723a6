"""A sparse table by rows, and the one thing asked of it online: a weighted sum of some of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64, frozen
from recsys.grouping import ranges
from recsys.query import EMPTY_HITS, Hits
from recsys.snapshot.files import SnapshotReader, SnapshotWriter


@dataclass(frozen=True, slots=True)
class SparseTable:
    """Compressed rows: starts (R+1,) int64 · columns (n,) int32 · values (n,) float32. 8 bytes an entry.

    ``n_columns`` bounds the columns.
    """

    starts: Int64
    columns: Int32
    values: Float32
    n_columns: int

    @classmethod
    def of(
        cls, rows: Int32 | Int64, columns: Int32 | Int64, values: Float32 | Float64, shape: tuple[int, int]
    ) -> SparseTable:
        """The table of distinct (row, column) entries in any order."""
        order = np.argsort(rows, kind="stable")
        starts = np.searchsorted(rows[order], np.arange(shape[0] + 1))
        return cls(
            frozen(starts, np.int64), frozen(columns[order], np.int32), frozen(values[order], np.float32), shape[1]
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def weighted_sum(self, rows: Int32 | Int64, weights: Float32 | Float64) -> Float32:
        """Σ weights[i] · row ``rows[i]``, dense (n_columns,). Time: the entries of those rows plus n_columns."""
        place, columns, values = self.entries(rows)
        if not len(place):
            return np.zeros(self.n_columns, np.float32)
        weighted = values * np.asarray(weights, np.float32)[place]
        return np.bincount(columns, weights=weighted, minlength=self.n_columns).astype(np.float32)

    def entries(self, rows: Int32 | Int64) -> tuple[Int64, Int32, Float32]:
        """All entries (e,) of ``rows`` (m,): which of ``rows`` they stand in, from 0 to m - 1, columns and values."""
        first, last = self.starts[rows], self.starts[np.asarray(rows) + 1]
        # Without a loop over rows.
        position, place = ranges(first, last)
        return place, self.columns[position], self.values[position]

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as ``<name>.*`` arrays."""
        out.array(f"{name}.starts", self.starts)
        out.array(f"{name}.columns", self.columns)
        out.array(f"{name}.values", self.values)
        out.array(f"{name}.n_columns", np.array([self.n_columns], np.int64))

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> SparseTable:
        """The table that ``write`` stored, memory-mapped."""
        starts, columns, values = (src.array(f"{name}.{part}") for part in ("starts", "columns", "values"))
        return cls(starts, columns, values, int(src.array(f"{name}.n_columns")[0]))


def best_of(scores: Float32, allowed: Bool, k: int) -> Hits:
    """The ``k`` allowed items with the largest positive of ``scores`` (n_items,)."""
    if k <= 0:
        return EMPTY_HITS
    items = np.flatnonzero((scores > 0) & allowed)
    return Hits.best_first(frozen(items, np.int32), scores[items], k)
