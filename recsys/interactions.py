"""Cleaned events as arrays: what everything offline is fitted on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from recsys.arrays import Bool, Float32, Int8, Int32, Int64, frozen


def newest_first(users: Int32, items: Int32, times: Int64) -> Int64:
    """Row numbers (n,) in the order of this table: by user, time descending, item; rows that tie keep theirs."""
    order: Int64 = np.lexsort((items, -times, users))
    return order


@dataclass(frozen=True, slots=True)
class Interactions:
    """One row a cleaned event that has an item, sorted by (user, time descending, item).

    users, items (n,) int32 numbers · times (n,) int64 epoch seconds · weights (n,) float32, the weight of the event
    type, 0 where the event says the user did not like the item · targets (n,) bool, True for events of a target type
    (what makes an item owned) · quantities (n,) float32, NaN unknown · prices (n,) float32 a unit, NaN unknown ·
    platforms (n,) int8, which of the data's platforms it was on, -1 unknown.
    A positive is a row with ``targets & (weights > 0)``. 30 bytes a row.
    """

    users: Int32
    items: Int32
    times: Int64
    weights: Float32
    targets: Bool
    quantities: Float32
    prices: Float32
    platforms: Int8

    @classmethod
    def ordered(
        cls,
        *,
        users: Any,
        items: Any,
        times: Any,
        weights: Any,
        targets: Any,
        quantities: Any = None,
        prices: Any = None,
        platforms: Any = None,
    ) -> Interactions:
        """The rows in this table's order, from array-likes (n,) in any order; rows that tie keep theirs.

        quantities, prices and platforms may be left out: unknown. Raises ValueError when the lengths differ.
        """
        n_rows = len(users)
        unknown = np.full(n_rows, np.nan, dtype=np.float32)
        columns: dict[str, Any] = {
            "users": np.asarray(users, dtype=np.int32),
            "items": np.asarray(items, dtype=np.int32),
            "times": np.asarray(times, dtype=np.int64),
            "weights": np.asarray(weights, dtype=np.float32),
            "targets": np.asarray(targets, dtype=np.bool_),
            "quantities": unknown if quantities is None else np.asarray(quantities, dtype=np.float32),
            "prices": unknown if prices is None else np.asarray(prices, dtype=np.float32),
            "platforms": np.full(n_rows, -1, np.int8) if platforms is None else np.asarray(platforms, dtype=np.int8),
        }
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must be equally long, got {lengths}")
        order = newest_first(columns["users"], columns["items"], columns["times"])
        return cls(**{name: frozen(column[order], column.dtype) for name, column in columns.items()})

    def __len__(self) -> int:
        return len(self.items)

    def weighing_others(self, factor: float) -> Interactions:
        """The same with ``factor`` on the weights of rows that are not of a target type."""
        if factor == 1.0:
            return self
        weights = np.where(self.targets, self.weights, self.weights * np.float32(factor))
        return replace(self, weights=frozen(weights, np.float32))

    def before(self, at: int) -> Interactions:
        """The rows strictly before ``at`` (epoch seconds), in the same order."""
        return self._where(self.times < at)

    def between(self, start: int, end: int) -> Interactions:
        """The rows with ``start <= time < end`` (epoch seconds), in the same order."""
        return self._where((self.times >= start) & (self.times < end))

    def _where(self, keep: Bool) -> Interactions:
        if keep.all():
            return self
        return Interactions(
            **{field.name: frozen(getattr(self, field.name)[keep], None) for field in fields(Interactions)}
        )
