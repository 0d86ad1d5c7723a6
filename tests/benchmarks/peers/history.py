"""What textbook methods are fitted on: counts of users by items as of a cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from peers.tables import DAY
from scipy import sparse

# How much an event says beside one that counts; textbooks leave this open.
WEIGHTS = {"add_to_cart": 0.5}
OTHER_WEIGHT = 0.2
WEEK = 7 * DAY
Matrix = Any  # scipy.sparse.csr_matrix, which has no type hints


@dataclass(frozen=True, slots=True)
class History:
    """U users and I items with an event before the cut; every row of ``rows`` is one user, item and moment.

    rows: user, item (int64 numbers), weeks (float64, age at the cut), weight (float64) · owned (U, I) bool: a target
    event of any value, never to be shown as new · user_ids, item_ids: strings by number.
    """

    user_ids: pl.Series
    item_ids: pl.Series
    rows: pl.DataFrame
    owned: Matrix

    @classmethod
    def of(cls, before: pl.DataFrame, *, start: int, with_all_events: bool) -> History:
        """Of the rows before a cut at ``start``: the successes only, or every event with a weight."""
        user_ids, item_ids = before["user_id"].unique().sort(), before["item_id"].unique().sort()
        numbered = before.with_columns(
            user=_numbers(before["user_id"], user_ids), item=_numbers(before["item_id"], item_ids)
        )
        had = numbered.filter("is_target")
        owned = sparse.csr_matrix(
            (np.ones(had.height, bool), (had["user"].to_numpy(), had["item"].to_numpy())),
            shape=(user_ids.len(), item_ids.len()),
        )
        if not with_all_events:
            numbered = numbered.filter("is_good")
        other = pl.col("kind").replace_strict(WEIGHTS, default=OTHER_WEIGHT, return_dtype=pl.Float64)
        rows = numbered.select(
            "user",
            "item",
            weeks=(start - pl.col("at")) / WEEK,
            weight=pl.when("is_good").then(1.0).otherwise(other),
        )
        rows = rows.group_by("user", "item", "weeks").agg(pl.col("weight").max()).sort("user", "item", "weeks")
        return cls(user_ids, item_ids, rows, owned)

    @property
    def shape(self) -> tuple[int, int]:
        """(U, I)."""
        return self.user_ids.len(), self.item_ids.len()

    def matrix(self, value: pl.Expr, *, weeks: float | None = None) -> Matrix:
        """(U, I) float32 sums of ``value`` over the rows, of the last ``weeks`` only if given."""
        rows = self.rows if weeks is None else self.rows.filter(pl.col("weeks") <= weeks)
        sums = rows.group_by("user", "item").agg(value=value.sum()).sort("user", "item")
        values = sums["value"].cast(pl.Float32).to_numpy()
        return sparse.csr_matrix((values, (sums["user"].to_numpy(), sums["item"].to_numpy())), shape=self.shape)

    def counts(self, *, weeks: float | None = None) -> Matrix:
        """(U, I) float32: log(1 + weighted times taken)."""
        return self.matrix(pl.col("weight"), weeks=weeks).log1p()

    def popularity(self, *, weeks: float | None = None, by_users: bool = True) -> npt.NDArray[np.float32]:
        """(I,) float32: how many users, or how many times."""
        taken = self.matrix(pl.col("weight"), weeks=weeks)
        if by_users:
            taken.data[:] = 1.0
        return np.asarray(taken.sum(axis=0), np.float32).ravel()

    def numbers_of(self, user_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """User numbers of ids that have an event before the cut."""
        return _numbers(pl.Series(user_ids, dtype=pl.String), self.user_ids).to_numpy()


def _numbers(ids: pl.Series, known: pl.Series) -> pl.Series:
    numbers = pl.DataFrame({"id": known, "number": np.arange(known.len(), dtype=np.int64)})
    return pl.DataFrame({"id": ids}).join(numbers, on="id", how="left", maintain_order="left")["number"]
