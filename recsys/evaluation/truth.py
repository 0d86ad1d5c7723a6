"""What users really took in a window, and which part of it was new to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int32, Int64, frozen


@dataclass(frozen=True, slots=True)
class Truth:
    """Distinct (user, item) pairs, user by user.

    users (Q,) int32 ascending, each with at least one pair · starts (Q+1,) int64 · items (n,) int32.
    """

    users: Int32
    starts: Int64
    items: Int32

    def __len__(self) -> int:
        return len(self.users)

    @property
    def sizes(self) -> Int64:
        """Pairs of each user (Q,)."""
        return np.diff(self.starts)

    @classmethod
    def of(cls, users: Int32, items: Int32, n_items: int) -> Truth:
        """The distinct pairs of ``users`` (n,) and ``items`` (n,)."""
        keys = np.unique(users.astype(np.int64) * n_items + items)
        owner = keys // n_items
        distinct, first = np.unique(owner, return_index=True)
        return cls(
            frozen(distinct, np.int32), frozen(np.append(first, len(keys)), np.int64), frozen(keys % n_items, np.int32)
        )

    def without(self, users: Int32, items: Int32, n_items: int) -> Truth:
        """The pairs that are not among the given ones: with the owned pairs, the truth of the ``novel`` task."""
        keys = np.repeat(self.users, self.sizes).astype(np.int64) * n_items + self.items
        owned = np.isin(keys, users.astype(np.int64) * n_items + items)
        return Truth.of(frozen(keys[~owned] // n_items, np.int32), frozen(keys[~owned] % n_items, np.int32), n_items)

    def among(self, users: Int32) -> Truth:
        """Only the given users."""
        keep = np.isin(self.users, users)
        rows = np.repeat(keep, self.sizes)
        starts = np.concatenate([[0], np.cumsum(self.sizes[keep])])
        return Truth(self.users[keep], frozen(starts, np.int64), self.items[rows])

    def joined(self, other: Truth, n_items: int) -> Truth:
        """The pairs of both, all of them of items below ``n_items``."""
        users = np.concatenate([np.repeat(one.users, one.sizes) for one in (self, other)])
        return Truth.of(frozen(users, np.int32), np.concatenate([self.items, other.items]), n_items)

    def hits(self, lists: Int32, n_items: int) -> Bool:
        """Which places of ``lists`` (Q, k; -1 = empty) hold an item of the row's user's truth: (Q, k)."""
        keys = np.repeat(np.arange(len(self.users), dtype=np.int64), self.sizes) * n_items + self.items
        rows = np.arange(len(lists), dtype=np.int64)[:, None] * n_items + lists
        found: Bool = np.isin(rows, keys) & (lists >= 0)
        return found
