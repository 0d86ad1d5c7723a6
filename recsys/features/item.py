"""The item by itself: its statistics, its price, its place in its groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.decay import WEEK_S
from recsys.features.rows import Rows
from recsys.statistics import NAMES


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """All of ``recsys.statistics`` plus price and the time since the catalogue says the item was created."""

    names: ClassVar[tuple[str, ...]] = (*(f"item_{name}" for name in NAMES), "item_price", "item_created_weeks")

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, 17)."""
        created = context.catalogue.created_at[rows.items].astype(np.float64)
        at = np.array([query.at for query in rows.queries], np.float64)[rows.query_of]
        since = np.where((created > 0) & (created <= at), (at - created) / WEEK_S, np.nan)
        return np.column_stack(
            [context.statistics.values[rows.items], context.catalogue.prices[rows.items], since.astype(np.float32)]
        )
