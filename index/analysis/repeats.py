"""How much of what users take they took before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from index.analysis.pairs import Pairs
from index.analysis.spread import share
from index.baskets import Baskets
from recsys.arrays import Int64
from recsys.decay import DAY_S
from recsys.interactions import Interactions


@dataclass(frozen=True, slots=True)
class Repeats:
    """Shares of the target events, NaN without any.

    share_owned: the user had a target event of the item at an earlier time · share_seen: an event of any type ·
    share_of_baskets: baskets that hold an owned item · median_gap_days: between a pair's target events at consecutive
    times, NaN without repeats.
    """

    share_owned: float
    share_seen: float
    share_of_baskets: float
    median_gap_days: float

    @classmethod
    def of(cls, interactions: Interactions, pairs: Pairs, baskets: Baskets) -> Repeats:
        """The repeats among the target events of ``interactions``."""
        targets = interactions.targets
        times, pair = interactions.times[targets], pairs.of_row[targets]
        owned, seen = times > pairs.first_target[pair], times > pairs.first_any[pair]
        gaps = _gaps_s(interactions, pairs)
        return cls(
            share_owned=share(owned),
            share_seen=share(seen),
            share_of_baskets=share(baskets.any(owned)),
            median_gap_days=float(np.median(gaps)) / DAY_S if len(gaps) else math.nan,
        )


def _gaps_s(interactions: Interactions, pairs: Pairs) -> Int64:
    rows = pairs.order[interactions.targets[pairs.order]]
    times, pair = interactions.times[rows], pairs.of_row[rows]
    gaps = times[:-1] - times[1:]
    kept: Int64 = gaps[(pair[:-1] == pair[1:]) & (gaps > 0)]
    return kept
