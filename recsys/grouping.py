"""Grouped sums over integer keys: the one array operation behind histories, affinities and item statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Float32, Float64, Int32, Int64

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows grouped by an int64 key.

    keys (G,) distinct keys, ascending · starts (G,) first position of each group in ``order`` · order (n,) row numbers,
    stable within a group, so a table that is newest first stays newest first inside every group.
    """

    keys: Int64
    starts: Int64
    order: Int64

    @classmethod
    def of(cls, keys: Int64) -> Groups:
        """Group rows by ``keys`` (n,)."""
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        first = np.empty(len(keys), dtype=bool)
        if len(keys):
            first[0] = True
            np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        return cls(ordered[starts], starts, order)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def counts(self) -> Int64:
        """Rows in each group (G,)."""
        return np.diff(self.starts, append=len(self.order))

    def sum(self, values: Float32 | Float64) -> Float64:
        """Sum of ``values`` (n,) by group (G,), in float64."""
        if not len(self.keys):
            return np.zeros(0)
        return np.add.reduceat(values[self.order].astype(np.float64, copy=False), self.starts)

    def first(self, values: NDArray[Number]) -> NDArray[Number]:
        """The value of each group's first row (G,)."""
        firsts: NDArray[Number] = values[self.order[self.starts]]
        return firsts

    def last(self, values: NDArray[Number]) -> NDArray[Number]:
        """The value of each group's last row (G,)."""
        lasts: NDArray[Number] = values[self.order[self.starts + self.counts - 1]]
        return lasts

    def find(self, keys: Int64) -> tuple[Int64, Bool]:
        """Group position of each of ``keys`` (m,) and whether it exists (m,); positions of missing keys are 0."""
        return positions(self.keys, keys)


def positions(known: Int32 | Int64, keys: Int32 | Int64) -> tuple[Int64, Bool]:
    """Position of each of ``keys`` (m,) in ``known`` (n,), ascending, and whether it is there (m,); else position 0."""
    if not len(known):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
    position = np.searchsorted(known, keys)
    position[position == len(known)] = 0
    return position, known[position] == keys


def ranges(starts: Int64, ends: Int64) -> tuple[Int64, Int64]:
    """All numbers of the ranges [start, end) (r,), and the range each is of."""
    lengths = ends - starts
    offset = np.cumsum(lengths) - lengths
    return np.repeat(starts - offset, lengths) + np.arange(lengths.sum()), np.repeat(np.arange(len(starts)), lengths)


def rows_of(vectors: Float32, known: Int32, keys: Int32) -> Float32:
    """(m, d): the row of ``vectors`` (n, d), those of ``known`` (n,), ascending, for each of ``keys`` (m,); else 0."""
    if not len(known):
        return np.zeros((len(keys), vectors.shape[1]), np.float32)
    rows, there = positions(known, keys)
    found = vectors[rows]
    found[~there] = 0.0
    return found


def products(one: Float32, other: Float32) -> Float32:
    """(C, m) inner products of the rows of ``one`` (C, d) and ``other`` (m, d)."""
    found: Float32 = one @ other.T
    return found
