"""Which events lead to which: views before purchases, of the same user and item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.analysis.pairs import Pairs
from index.analysis.spread import share
from index.dataset import Dataset

# The most frequent types; each with each other would otherwise be a table nobody reads.
MOST_TYPES = 6


@dataclass(frozen=True, slots=True)
class Step:
    """The share of events of type ``of`` whose pair has an event of type ``by`` at an earlier time or the same.

    The same counts because many logs know the day only, or hold one time a session.
    """

    of: str
    by: str
    share: float


def funnel(dataset: Dataset, pairs: Pairs) -> tuple[Step, ...]:
    """A step for each target type and each other type there is, the most frequent first."""
    table, names = dataset.interactions, dataset.event_types[:MOST_TYPES]
    masks = {name: dataset.kinds == kind for kind, name in enumerate(names)}
    firsts = {name: pairs.first_where(table, mask) for name, mask in masks.items()} if len(names) > 1 else {}
    steps = []
    for of in (name for name in names if name in dataset.settings.events.target_types):
        times, pair = table.times[masks[of]], pairs.of_row[masks[of]]
        steps += [Step(of, by, share(np.less_equal(firsts[by][pair], times))) for by in names if by != of]
    return tuple(steps)
