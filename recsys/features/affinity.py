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
COLUMNS = ("affinity", "items", "since_weeks", "share", "discoveries", "expected")


@dataclass(frozen=True, slots=True)
class Affinity:
    """For each code family: share of the user's decayed weight spent on the candidate's group · how many of its items
    the user took · weeks since the last · the item's share of the group's users · discoveries, items of the group that
    were new to the user lately, decayed · expected, discoveries times the item's share of everybody's discoveries in
    the group. A group the user never touched counts 0 and has no recency.
    """

    families: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Six columns a code family."""
        return tuple(f"{name}: {what}" for name in self.families for what in COLUMNS)

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, 6 families). Counted over distinct (query, item) pairs, so that repeats do not look like breadth."""
        pair_query, pair_item = rows.pairs.keys // rows.n_items, rows.pairs.keys % rows.n_items
        weight = rows.pairs.sum(rows.weights * exponential(rows.ages, SCALE_WEEKS))
        total = np.bincount(pair_query, weights=weight, minlength=len(rows.queries))[rows.query_of] + 1e-9
        since = rows.pairs.first(rows.ages)
        discovered = exponential(rows.pairs.last(rows.ages), SCALE_WEEKS)
        width = len(COLUMNS)
        out = np.empty((len(rows), len(self.names)), np.float32)
        for position, name in enumerate(self.families):
            codes = context.families[name]
            n_codes = int(codes.max(initial=-1)) + 1
            pair_code, code = codes[pair_item], codes[rows.items]
            known = np.flatnonzero(pair_code >= 0)
            groups = Groups.of(pair_query[known] * n_codes + pair_code[known])
            where, found = groups.find(np.where(code >= 0, rows.query_of * n_codes + code, -1))
            where = where[found]
            part = out[:, width * position : width * (position + 1)]
            part[:, (0, 1, 4)], part[:, 2] = 0.0, np.nan
            if len(where):
                part[found, 0] = groups.sum(weight[known])[where]
                part[found, 1] = groups.counts[where]
                part[found, 4] = groups.sum(discovered[known])[where]
                part[found, 2] = np.minimum.reduceat(since[known][groups.order], groups.starts)[where]
            part[:, 0] /= total
            part[:, 3] = context.shares[name][rows.items]
            part[:, 5] = part[:, 4] * context.first_shares[name][rows.items]
        return out
