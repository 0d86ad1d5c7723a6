"""The user's liking for the candidate's group: category, brand, or any other code family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.decay import exponential
from recsys.features.rows import Rows
from recsys.grouping import Groups

SCALE_WEEKS = 12.0


@dataclass(frozen=True, slots=True)
class Affinity:
    """share of the user's decayed weight spent on the group · how many of its items the user took · weeks since the
    last · the item's share of the group's users. A group the user never touched counts 0 and has no recency.
    """

    family: str

    @property
    def names(self) -> tuple[str, ...]:
        """Four columns named after the code family."""
        return tuple(f"{self.family}: {what}" for what in ("affinity", "items", "since_weeks", "share"))

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, 4)."""
        codes = context.families[self.family].astype(np.int64)
        n_codes = int(codes.max(initial=-1)) + 1
        if n_codes == 0:
            return np.full((len(rows), 4), np.nan, np.float32)
        # One row a distinct (query, item) pair, so that repeats of one item do not look like breadth.
        pair_query, pair_item = rows.pairs.keys // rows.n_items, rows.pairs.keys % rows.n_items
        weight = rows.pairs.sum(rows.weights * exponential(rows.ages, SCALE_WEEKS))
        since = rows.pairs.first(rows.ages)
        pair_code = codes[pair_item]
        known = pair_code >= 0
        groups = Groups.of(pair_query[known] * n_codes + pair_code[known])
        total = np.bincount(pair_query, weights=weight, minlength=len(rows.queries))
        code = codes[rows.items]
        keys = np.where(code >= 0, rows.query_of * n_codes + code, -1)
        share = groups.spread(groups.sum(weight[known]), keys, 0.0) / (total[rows.query_of] + 1e-9)
        count = groups.spread(groups.counts.astype(np.float64), keys, 0.0)
        newest = groups.spread(_least(groups, since[known]), keys)
        return np.stack([share, count, newest, context.shares[self.family][rows.items]], axis=1).astype(np.float32)


def _least(groups: Groups, values: np.ndarray) -> np.ndarray:
    return np.minimum.reduceat(values[groups.order], groups.starts) if len(groups) else np.zeros(0)
