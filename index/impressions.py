"""What was shown to whom, at which place, and when it was taken up: numbered, for rankers to learn from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from index.dataset import Dataset
from index.items import numbers_of
from recsys.arrays import Int32, Int64, frozen

NEVER = int(np.iinfo(np.int64).max)
# One row a place of a list; times in epoch seconds; serving_config "" where nobody said, taken null where passed over.
COLUMNS: dict[str, Any] = {
    "user_id": pl.String,
    "item_id": pl.String,
    "time": pl.Int64,
    "position": pl.Int32,
    "serving_config": pl.String,
    "taken": pl.Int64,
}
_ARRAYS = ("users", "items", "times", "positions", "configs", "taken")


@dataclass(frozen=True, slots=True)
class Impressions:
    """N places of lists, oldest first: users, items (N,) int32 · times (N,) int64 epoch seconds · positions (N,) int32
    from 1 · configs (N,) int32, of which serving config · taken (N,) int64 epoch seconds, NEVER where passed over.

    n_late: left out, for they were shown at the end of the data or later · n_unknown: of users or items there are none
    of · n_erased: of users who were erased afterwards.
    """

    users: Int32
    items: Int32
    times: Int64
    positions: Int32
    configs: Int32
    taken: Int64
    n_late: int = 0
    n_unknown: int = 0
    n_erased: int = 0

    @classmethod
    def of(cls, rows: pl.DataFrame, dataset: Dataset, *, end: int, n_erased: int = 0) -> Impressions:
        """``rows`` of ``COLUMNS`` that were shown before ``end`` to users of ``dataset``, each place once."""
        seen = rows.filter(pl.col("time") < end)
        users = numbers_of(seen["user_id"], pl.Series(dataset.user_ids, dtype=pl.String))
        items = numbers_of(seen["item_id"], pl.Series(dataset.item_ids, dtype=pl.String))
        known = (users >= 0) & (items >= 0)
        table = seen.select("time", "position", "serving_config", taken=pl.col("taken").fill_null(NEVER))
        table = table.with_columns(user=pl.Series(users), item=pl.Series(items)).filter(pl.Series(known))
        # The same place may stand in a file and in the state; what was taken up in either was taken up.
        place = ["time", "user", "item", "position", "serving_config"]
        table = table.group_by(place).agg(pl.col("taken").min()).sort(place)
        return cls(
            users=frozen(table["user"].to_numpy(), np.int32),
            items=frozen(table["item"].to_numpy(), np.int32),
            times=frozen(table["time"].to_numpy(), np.int64),
            positions=frozen(table["position"].to_numpy(), np.int32),
            configs=frozen(table["serving_config"].rank("dense").cast(pl.Int32).to_numpy(), np.int32),
            taken=frozen(table["taken"].to_numpy(), np.int64),
            n_late=rows.height - seen.height,
            n_unknown=seen.height - int(known.sum()),
            n_erased=n_erased,
        )

    def __len__(self) -> int:
        return len(self.times)

    def between(self, start: int, end: int) -> Impressions:
        """What was shown in [start, end), epoch seconds, as it stood at ``end``: what was taken up later is not yet."""
        part = slice(*np.searchsorted(self.times, (start, end)))
        taken = self.taken[part]
        return Impressions(
            users=self.users[part],
            items=self.items[part],
            times=self.times[part],
            positions=self.positions[part],
            configs=self.configs[part],
            taken=np.where(taken < end, taken, NEVER),
        )

    @property
    def digest(self) -> str:
        """Of all there is, to tell it from any other."""
        digest = hashlib.sha256()
        for name in _ARRAYS:
            digest.update(np.ascontiguousarray(getattr(self, name)).view(np.uint8).tobytes())
        return digest.hexdigest()

    @property
    def n_taken(self) -> int:
        """Places where the item was taken up."""
        return int((self.taken < NEVER).sum())

    def counts(self) -> dict[str, int]:
        """For the report."""
        left_out = {"n_late": self.n_late, "n_unknown": self.n_unknown, "n_erased": self.n_erased}
        return {"n": len(self), "n_taken": self.n_taken, **left_out}

    def __str__(self) -> str:
        left_out = (
            (self.n_late, "after the end"),
            (self.n_unknown, "of unknown users or items"),
            (self.n_erased, "of erased users"),
        )
        more = [f"{n:,} {why}" for n, why in left_out if n]
        whole = f"feedback: {len(self):,} impressions of {len(np.unique(self.users)):,} users, {self.n_taken:,} taken"
        return whole + (f"; left out: {', '.join(more)}" if more else "")
