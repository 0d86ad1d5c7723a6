"""Everybody's interactions as one compressed sparse row table, newest first within a user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Int8, Int32, Int64, frozen
from recsys.interactions import Interactions
from recsys.platforms import UNKNOWN
from recsys.query import EMPTY_HISTORY, History
from recsys.snapshot.files import SnapshotReader, SnapshotWriter


@dataclass(frozen=True, slots=True)
class Histories:
    """starts (U+1,) int64; items, times, weights, targets (n,) as in ``History``, user by user · platforms (n,) int8 as
    in ``Interactions``, None where nothing is known of any.

    17 or 18 bytes an interaction, memory-mapped at serving: N workers share one copy.
    """

    starts: Int64
    items: Int32
    times: Int64
    weights: Float32
    targets: Bool
    platforms: Int8 | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, user: int | None) -> History:
        """The history of user number ``user``; empty for None."""
        if user is None:
            return EMPTY_HISTORY
        start, end = int(self.starts[user]), int(self.starts[user + 1])
        return History(self.items[start:end], self.times[start:end], self.weights[start:end], self.targets[start:end])

    def platform(self, user: int, *, since: int | None, at: int) -> tuple[int, int]:
        """Where ``user`` was last after ``since`` and before ``at`` (epoch seconds), and when; ``UNKNOWN`` and 0 where
        nothing says.
        """
        if self.platforms is None:
            return UNKNOWN, 0
        start, end = int(self.starts[user]), int(self.starts[user + 1])
        times, platforms = self.times[start:end], self.platforms[start:end]
        told = (platforms != UNKNOWN) & (times < at)
        if since is not None:
            told &= times > since
        if not told.any():
            return UNKNOWN, 0
        newest = int(np.argmax(told))
        return int(platforms[newest]), int(times[newest])

    @classmethod
    def of_interactions(cls, interactions: Interactions, n_users: int) -> Histories:
        """The table of ``interactions``, which are sorted by (user, time descending, item) already."""
        starts = np.searchsorted(interactions.users, np.arange(n_users + 1))
        return cls(
            starts=frozen(starts, np.int64),
            items=frozen(interactions.items, np.int32),
            times=frozen(interactions.times, np.int64),
            weights=frozen(interactions.weights, np.float32),
            targets=frozen(interactions.targets, np.bool_),
            platforms=frozen(interactions.platforms, np.int8) if (interactions.platforms != UNKNOWN).any() else None,
        )

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``histories.*`` arrays."""
        for name in ("starts", "items", "times", "weights", "targets"):
            out.array(f"histories.{name}", getattr(self, name))
        if self.platforms is not None:
            out.array("histories.platforms", self.platforms)

    @classmethod
    def read(cls, src: SnapshotReader) -> Histories:
        """The table that ``write`` stored, memory-mapped."""
        names = ("starts", "items", "times", "weights", "targets")
        platforms = src.array("histories.platforms") if src.has("histories.platforms") else None
        return cls(**{name: src.array(f"histories.{name}") for name in names}, platforms=platforms)
