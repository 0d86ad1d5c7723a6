"""How finely events are timed: what is known of their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.baskets import starts_anew
from recsys.decay import DAY_S
from recsys.interactions import Interactions

STEPS_S = (DAY_S, 3_600, 60, 1)


@dataclass(frozen=True, slots=True)
class Clock:
    """step_s: the coarsest of day, hour, minute and second that lies between any two events' times.

    share_at_midnight: of the events, UTC · share_sharing_time: of the events, those of a user who has another event at
    the same time, whose order is therefore unknown.
    """

    step_s: int
    share_at_midnight: float
    share_sharing_time: float

    @classmethod
    def of(cls, interactions: Interactions) -> Clock:
        """The clock behind ``interactions``, which are sorted by user and time already."""
        times = interactions.times
        since = times - times[0]
        groups = np.diff(np.flatnonzero(starts_anew(interactions.users, times)), append=len(times))
        return cls(
            step_s=next(step for step in STEPS_S if not np.any(since % step)),
            share_at_midnight=float(np.mean(times % DAY_S == 0)),
            share_sharing_time=float(groups[groups > 1].sum() / len(times)),
        )
