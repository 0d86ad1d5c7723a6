"""The user by their history: how much, how lately, how faithful, at what price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recsys.arrays import Float32, Float64, Int64
from recsys.context import Context
from recsys.features.rows import Rows


@dataclass(frozen=True, slots=True)
class UserColumns:
    """Columns of the query's history, the same for all its candidates, and the price against the user's usual one."""

    names: ClassVar[tuple[str, ...]] = (
        "user_events",
        "user_items",
        "user_baskets",
        "user_events_4w",
        "user_since_weeks",
        "user_tenure_weeks",
        "user_basket_size",
        "user_repeat_share",
        "user_price",
        "price_to_user",
    )

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, 10)."""
        n_queries = len(rows.queries)
        starts, ends = rows.history_starts[:-1], rows.history_starts[1:]
        some = ends > starts

        def by_query(values: Float64) -> Float64:
            # Without any row bincount counts in integers, whatever the weights are.
            return np.bincount(rows.history_query, weights=values, minlength=n_queries).astype(np.float64)

        def at_position(values: Float64, positions: Int64) -> Float64:
            out = np.full(n_queries, np.nan)
            out[some] = values[positions[some]]
            return out

        events = (ends - starts).astype(np.float64)
        items = np.bincount((rows.pairs.keys // rows.n_items).astype(np.int64), minlength=n_queries).astype(np.float64)
        baskets = at_position(rows.baskets.astype(np.float64), ends - 1) + 1
        prices = context.catalogue.prices[rows.history_items].astype(np.float64)
        priced = np.isfinite(prices) & (prices > 0)
        log_price = by_query(np.where(priced, np.log(np.where(priced, prices, 1.0)), 0.0))
        n_priced = by_query(priced.astype(np.float64))
        user_price = np.where(n_priced > 0, log_price / np.maximum(n_priced, 1.0), np.nan)
        columns = np.stack(
            [
                events,
                items,
                baskets,
                by_query((rows.ages < 4).astype(np.float64)),
                at_position(rows.ages, starts),
                at_position(rows.ages, ends - 1),
                events / baskets,
                np.where(some, 1.0 - items / np.maximum(events, 1.0), np.nan),
                user_price,
            ],
            axis=1,
        ).astype(np.float32)[rows.query_of]
        candidate_price = context.catalogue.prices[rows.items]
        usable = np.isfinite(candidate_price) & (candidate_price > 0)
        ratio = np.where(usable, np.log(np.where(usable, candidate_price, 1.0)), np.nan) - columns[:, -1]
        return np.column_stack([columns, ratio.astype(np.float32)])
