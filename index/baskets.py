"""Shopping trips: the target events of one user at one time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int32, Int64
from recsys.interactions import Interactions


@dataclass(frozen=True, slots=True)
class Baskets:
    """B baskets of the t target events, in table order. users (B,) int32 · starts (B,) first target event of each.

    The features count trips the same way: a session may span several, and few shops tell sessions.
    """

    users: Int32
    starts: Int64
    n_events: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def sizes(self) -> Int64:
        """Target events in each basket (B,)."""
        return np.diff(self.starts, append=self.n_events)

    @classmethod
    def of(cls, interactions: Interactions) -> Baskets:
        """The baskets of ``interactions``, which are sorted by user and time already."""
        users, times = interactions.users[interactions.targets], interactions.times[interactions.targets]
        starts = np.flatnonzero(starts_anew(users, times))
        return cls(users[starts], starts, len(users))

    def any(self, holds: Bool) -> Bool:
        """Which baskets (B,) have a target event where ``holds`` (t,) is True."""
        if not len(self):
            return np.zeros(0, bool)
        return np.logical_or.reduceat(holds, self.starts)


def starts_anew(users: Int32, times: Int64, gap_s: int = 0) -> Bool:
    """Where (n,) in a table by user, newest first, another user than in the row before or a time more than ``gap_s``
    seconds earlier begins.
    """
    anew = np.ones(len(users), bool)
    anew[1:] = (users[1:] != users[:-1]) | (times[:-1] - times[1:] > gap_s)
    return anew
