"""What a user's own history says of single items: how often, since when, on what rhythm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Int32
from recsys.decay import DAY_S
from recsys.query import Query

HABIT_TIMES = 3
# Beyond so many of its own gaps a habit is a thing of the past.
LAPSED_GAPS = 3.0


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """count: at how many distinct times · days since the last · gap_days: mean between two, 0 for one time · owned: a
    target event is among them, and then only those count · regular: it is bought, or whatever the target is, on a
    rhythm that still goes on.
    """

    count: int
    days: float
    gap_days: float
    owned: bool
    regular: bool


def own_records(query: Query, items: Int32) -> dict[int, OwnRecord]:
    """The record of each of ``items`` that the user's history has; for others there is none."""
    history = query.history
    # Looking at an owned item is not taking it: only its target events count.
    wanted, owned = np.zeros((2, len(query.allowed)), bool)
    wanted[items], owned[query.owned] = True, True
    mine = np.flatnonzero(wanted[history.items] & (history.targets | ~owned[history.items]))
    if not len(mine):
        return {}
    rows = mine[np.lexsort((-history.times[mine], history.items[mine]))]
    key, time = history.items[rows], history.times[rows]
    # Several rows of one time are one purchase of several pieces.
    distinct = np.append(True, (key[1:] != key[:-1]) | (time[1:] != time[:-1]))
    rows, key, time = rows[distinct], key[distinct], time[distinct]
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    counts = np.diff(starts, append=len(key))
    last, first = time[starts], time[starts + counts - 1]
    mean = (last - first) / np.maximum(counts - 1, 1) / DAY_S
    days = (query.at - last) / DAY_S
    follows = np.flatnonzero(key[1:] == key[:-1])
    gaps = (time[follows] - time[follows + 1]) / DAY_S
    gaps = gaps[np.lexsort((gaps, key[follows]))]
    # A group of n times has n - 1 gaps, so its gaps begin as many places earlier as there are groups before it.
    middle = np.minimum(starts - np.arange(len(starts)) + np.maximum(counts - 2, 0) // 2, max(len(gaps) - 1, 0))
    usual = gaps[middle] if len(gaps) else mean
    # Half of the gaps are at least the usual one, so it is never beyond twice the mean.
    steady = (usual >= mean / 2) & (mean >= 1) & (days <= LAPSED_GAPS * mean)
    regular = (counts >= HABIT_TIMES) & steady
    columns = (key[starts], counts, days, mean, history.targets[rows[starts]], regular)
    return {
        item: OwnRecord(count, since, gap, is_owned, is_regular)
        for item, count, since, gap, is_owned, is_regular in zip(*(c.tolist() for c in columns), strict=True)
    }
