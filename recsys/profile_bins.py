"""Profile values in bins: what popularity by profile and the user's tower know of a profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64, Int32, frozen
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

MOST_BINS = 12


@dataclass(frozen=True, slots=True)
class ProfileBins:
    """edges: of each of P columns, ascending, None where no value is known. Bins are numbered through all columns.

    A column of few distinct values keeps them; others are cut at quantiles, of codes the frequent stay by themselves.
    """

    edges: tuple[Float64 | None, ...]

    @classmethod
    def of(cls, values: Float32) -> ProfileBins:
        """Of the profiles (n_users, P), NaN unknown."""
        return cls(tuple(_edges(values[:, column]) for column in range(values.shape[1])))

    @property
    def n_bins(self) -> int:
        """How many there are."""
        return sum(len(edges) + 1 for edges in self.edges if edges is not None)

    def bins(self, values: Float32) -> Int32:
        """The bin of every value (n, P); -1 unknown."""
        bins = np.full(values.shape, -1, np.int32)
        start = 0
        for column, edges in enumerate(self.edges):
            if edges is None:
                continue
            known = np.isfinite(values[:, column])
            bins[known, column] = start + np.searchsorted(edges, values[known, column], side="right")
            start += len(edges) + 1
        return bins

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as ``<name>.edges`` and ``<name>.n_edges``, the latter -1 for None."""
        known = [edges for edges in self.edges if edges is not None]
        out.array(f"{name}.edges", np.concatenate([*known, np.zeros(0)]))
        out.array(f"{name}.n_edges", np.array([-1 if edges is None else len(edges) for edges in self.edges], np.int32))

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> ProfileBins:
        """The bins that ``write`` stored."""
        edges, counts = src.array(f"{name}.edges"), src.array(f"{name}.n_edges").tolist()
        ends = np.cumsum([max(count, 0) for count in counts]).tolist()
        parts = zip(counts, ends, strict=True)
        return cls(tuple(None if count < 0 else frozen(edges[end - count : end], np.float64) for count, end in parts))


def _edges(values: Float32) -> Float64 | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    distinct = np.unique(known)
    if len(distinct) <= MOST_BINS:
        return frozen(distinct[1:], np.float64)
    return frozen(np.unique(np.quantile(known, np.linspace(0, 1, MOST_BINS + 1)[1:-1])), np.float64)
