"""Every distinct (user, item) pair and when it first occurred: what most sections of an analysis count with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int32, Int64
from recsys.grouping import Groups
from recsys.interactions import Interactions

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs in the order of (user, item), of n interactions.

    of_row (n,) int32: the pair of each interaction · users, items (P,) int32 · first_any, first_target (P,) int64 epoch
    seconds of the pair's first event and first event of a target type, NEVER without one · order (n,) int64: rows pair
    by pair, newest first. 12 bytes an interaction and 24 a pair, twice that while they are made.
    """

    of_row: Int32
    users: Int32
    items: Int32
    first_any: Int64
    first_target: Int64
    order: Int64

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def of(cls, interactions: Interactions, n_items: int) -> Pairs:
        """The pairs of ``interactions``; item numbers are below ``n_items``."""
        groups = Groups.of(interactions.users.astype(np.int64) * n_items + interactions.items)
        of_row = np.empty(len(interactions), np.int32)
        of_row[groups.order] = np.repeat(np.arange(len(groups), dtype=np.int32), groups.counts)
        users, items = np.divmod(groups.keys, n_items)
        return cls(
            of_row=of_row,
            users=users.astype(np.int32),
            items=items.astype(np.int32),
            first_any=groups.last(interactions.times),
            first_target=_first(interactions, of_row, len(groups), interactions.targets),
            order=groups.order,
        )

    def first_where(self, interactions: Interactions, keep: Bool) -> Int64:
        """Time (P,) of each pair's first event among the interactions where ``keep`` (n,) holds, NEVER without one."""
        return _first(interactions, self.of_row, len(self), keep)


def first_of_users(interactions: Interactions, n_users: int) -> Int64:
    """Epoch seconds of every user's first event (n_users,), NEVER without one."""
    return _earliest(interactions.users, interactions.times, n_users)


def first_of_items(interactions: Interactions, n_items: int) -> Int64:
    """Epoch seconds of every item's first event (n_items,), NEVER without one."""
    return _earliest(interactions.items, interactions.times, n_items)


def _first(interactions: Interactions, of_row: Int32, n_pairs: int, keep: Bool) -> Int64:
    return _earliest(of_row[keep], interactions.times[keep], n_pairs)


def _earliest(numbers: Int32, times: Int64, n: int) -> Int64:
    found = np.full(n, NEVER, np.int64)
    np.minimum.at(found, numbers, times)
    return found
