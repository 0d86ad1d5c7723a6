"""The user's own record with the item: how often, how lately, and whether it is due again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.decay import exponential
from recsys.features.rows import Rows

SCALES = (1.5, 4.0, 12.0, 40.0)
WINDOWS = (4.0, 8.0, 12.0)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Columns of the (user, item) pair; never taken = NaN, not 0: "no record" is not "a record of nothing".

    ``due`` = weeks since the last / (expected gap + 0.3), the expected gap being the pair's own mean gap shrunk to the
    item's with a weight of two gaps.
    """

    names: ClassVar[tuple[str, ...]] = (
        "own_count",
        "own_targets",
        *(f"own_decay_{scale:g}w" for scale in SCALES),
        *(f"own_count_{window:g}w" for window in WINDOWS),
        "own_since_weeks",
        "own_first_weeks",
        "own_gap_weeks",
        "own_due",
        "own_baskets_since",
        "own_basket_rate",
    )

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, 15)."""
        pairs = rows.pairs
        ones = np.ones(len(rows.ages))
        count = pairs.counts.astype(np.float64)
        last, first = pairs.first(rows.ages), pairs.last(rows.ages)
        item_gap = context.statistics.column("gap_weeks")[pairs.keys % rows.n_items].astype(np.float64)
        # The pair's own span holds count - 1 gaps; two more at the item's pace keep one lucky pair from ruling.
        gap = ((first - last) + 2.0 * item_gap) / (count - 1.0 + 2.0)
        baskets_since = pairs.first(rows.baskets).astype(np.float64)
        baskets_first = pairs.last(rows.baskets).astype(np.float64)
        columns = (
            count,
            pairs.sum(rows.targets.astype(np.float64)),
            *(pairs.sum(rows.weights * exponential(rows.ages, scale)) for scale in SCALES),
            *(pairs.sum(ones * (rows.ages < window)) for window in WINDOWS),
            last,
            first,
            gap,
            last / (gap + 0.3),
            baskets_since,
            count / (baskets_first + 1.0),
        )
        position, found = pairs.find(rows.keys)
        out = np.full((len(rows), len(self.names)), np.nan, np.float32)
        out[found] = np.stack(columns, axis=1)[position[found]]
        return out
