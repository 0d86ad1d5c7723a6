"""The user's own items by time-decayed count: buying again is most of the signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import frozen
from recsys.decay import age_weeks, two_scale
from recsys.grouping import Groups
from recsys.query import EMPTY_HITS, Hits, Query


@dataclass(frozen=True, slots=True)
class OwnHistory:
    """Scores every item of the history by Σ weight · (0.3 e^(-age/3) + e^(-age/20)), ages in weeks."""

    name: str = "history"

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items of the user's history with the largest decayed count."""
        history = query.history
        if not len(history):
            return EMPTY_HITS
        groups = Groups.of(history.items.astype(np.int64))
        scores = groups.sum(history.weights * two_scale(age_weeks(history.times, query.at)))
        # No weight: the user did not like it.
        keep = query.allowed[groups.keys] & (scores > 0)
        return Hits.best_first(frozen(groups.keys[keep], np.int32), scores[keep].astype(np.float32), k)
