"""How unevenly events fall on items and users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Int64
from recsys.interactions import Interactions

TOP_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Concentration:
    """Of the events of all types, over those with any. gini: 0 all the same, towards 1 all with one.

    share_of_top: what the first hundredth (at least one) holds · share_of_largest: what one alone holds · n_for_half:
    how many hold half.
    """

    gini: float
    share_of_top: float
    share_of_largest: float
    n_for_half: int

    @classmethod
    def of(cls, counts: Int64) -> Concentration:
        """The concentration of ``counts`` (n,); zeros are left out, at least one is above."""
        falling = np.sort(counts[counts > 0])[::-1]
        cumulated = np.cumsum(falling)
        total, n = int(cumulated[-1]), len(falling)
        n_top = max(1, int(np.ceil(TOP_SHARE * n)))
        # Half the mean absolute difference over the mean, by ranks of the sorted counts.
        gini = float((falling * (n + 1 - 2 * np.arange(1, n + 1))).sum()) / (n * total)
        return cls(
            gini=gini,
            share_of_top=int(cumulated[n_top - 1]) / total,
            share_of_largest=int(falling[0]) / total,
            n_for_half=int(np.searchsorted(cumulated, total / 2)) + 1,
        )


def of_items(interactions: Interactions) -> Concentration:
    """The concentration of events on items."""
    return Concentration.of(np.bincount(interactions.items))


def of_users(interactions: Interactions) -> Concentration:
    """The concentration of events on users."""
    return Concentration.of(np.bincount(interactions.users))
