"""How likely a user who could take an item for the first time was to do so, week by week."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Bool, Float32, Int64
from recsys.decay import WEEK_S
from recsys.interactions import Interactions

# Spans the chance is taken over; the last is all time.
SPANS_WEEKS = (4, 8, 0)
# Keeps the logarithm of what nobody took finite, and small numbers of users from looking like certainty.
PRIOR_TAKEN, PRIOR_USERS = 0.3, 10.0


def first_rows(interactions: Interactions, n_items: int) -> Int64:
    """Rows (f,) ascending of each user's first positive of each item."""
    positive = np.flatnonzero(interactions.targets & (interactions.weights > 0))
    pairs = interactions.users[positive].astype(np.int64) * n_items + interactions.items[positive]
    # Newest first within a user: the first of a pair in time is the last in the table.
    _, from_the_end = np.unique(pairs[::-1], return_index=True)
    return np.sort(positive[::-1][from_the_end])


def weeks_back(times: Int64, at: int) -> Int64:
    """How many whole weeks before ``at`` everything known before ``times`` (n,) had happened: 0 for ``at`` itself."""
    return -(-(at - times) // WEEK_S)


def weekly_chances(
    interactions: Interactions, firsts: Int64, n_users: int, n_items: int, *, at: int, n_weeks: int
) -> Float32:
    """(n_weeks + 1, n_items, len(SPANS_WEEKS)) log chances as of 0, 1, … weeks before ``at``, from rows before each.

    Users active in the span who had not taken the item are those who could. Memory: 20 bytes x weeks x items.
    """
    n_bins = n_weeks + max(SPANS_WEEKS) + 1
    bins = np.minimum((at - 1 - interactions.times) // WEEK_S, n_bins - 1)  # the last bin: all that is older
    taken = np.bincount(bins[firsts] * n_items + interactions.items[firsts], minlength=n_bins * n_items)
    # Row b: in bin b or before it.
    taken_since = taken.reshape(n_bins, n_items)[::-1].astype(np.float32)
    np.cumsum(taken_since, axis=0, out=taken_since)
    taken_since = taken_since[::-1]
    active = np.zeros((n_bins, n_users), bool)
    active[bins, interactions.users] = True
    chances = np.empty((n_weeks + 1, n_items, len(SPANS_WEEKS)), np.float32)
    for week in range(n_weeks + 1):
        for column, span in enumerate(SPANS_WEEKS):
            end = week + span if span else n_bins
            n_taken = taken_since[week] - (taken_since[end] if span else 0.0)
            chances[week, :, column] = _log_chance(n_taken, taken_since[week], active[week:end])
    return chances


def _log_chance(taken: Float32, owners: Float32, active: Bool) -> Float32:
    n_active = float(active.any(axis=0).sum())
    could = np.maximum(n_active - np.minimum(owners, 0.98 * n_active), 1.0)
    return np.log((taken + PRIOR_TAKEN) / (could + PRIOR_USERS)).astype(np.float32)
