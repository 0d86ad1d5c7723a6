"""Chance as a question decides it: which places of a list are given away, and in which order new items come to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Int32, Int64, frozen

UInt64 = NDArray[np.uint64]
_STEP, _FIRST, _SECOND = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Draws:
    """The same for the same question, on every machine and in every worker.

    share: the probability with which a place is given away · places (n,) bool: which ones are · items (P,) int32
    ascending: what may be drawn · keys (P,) uint64: it comes in their ascending order, every order as likely as any
    other. A key depends on the question and its item alone: an item that comes or goes does not stir the others.
    """

    share: float
    places: Bool
    items: Int32
    keys: UInt64

    @classmethod
    def of(cls, question: Sequence[object], items: Int32, *, share: float, n_places: int) -> Draws:
        """Draws of ``items`` (P,), ascending, for the first ``n_places``; the same ``question``, the same draws."""
        digest = hashlib.blake2b(json.dumps(question).encode(), digest_size=16).digest()
        of_places, of_items = np.frombuffer(digest, "<u8")
        uniform = (_mixed(of_places, np.arange(n_places)) >> np.uint64(11)) / 2.0**53
        keys = _mixed(of_items, items)
        return cls(share, frozen(uniform < share, np.bool_), frozen(items, np.int32), frozen(keys, np.uint64))

    def __len__(self) -> int:
        return len(self.items)

    def among(self, items: Int32) -> Bool:
        """(N,) which of ``items`` (N,) may be drawn."""
        if not len(self.items):
            return np.zeros(len(items), np.bool_)
        places = np.searchsorted(self.items, items)
        found: Bool = self.items[np.minimum(places, len(self.items) - 1)] == items
        return found

    def in_order(self, items: Int32) -> Int64:
        """Positions into ``items`` (N,) of those that may be drawn, in the order in which they come."""
        positions = np.flatnonzero(self.among(items))
        chosen = items[positions]
        order: Int64 = positions[np.lexsort((chosen, self.keys[np.searchsorted(self.items, chosen)]))]
        return order

    def first(self, n: int, *, besides: Int32) -> Int32:
        """The ``n`` items that come first but for those of ``besides``, in item order; fewer where no more are left."""
        left = np.flatnonzero(~np.isin(self.items, besides))
        if len(left) > n:
            left = left[np.argpartition(self.keys[left], n)[:n]]
        return np.sort(self.items[left])


def _mixed(seed: np.uint64, numbers: Int32 | Int64) -> UInt64:
    """(N,) random bits for ``numbers`` (N,) from 0: SplitMix64 of ``seed`` at those places of its stream.

    Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. NumPy's own generators may change
    what they draw with its version, and a snapshot's golden questions must keep their answers.
    """
    bits = seed + (numbers.astype(np.uint64) + np.uint64(1)) * _STEP
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    mixed: UInt64 = bits ^ (bits >> np.uint64(31))
    return mixed
