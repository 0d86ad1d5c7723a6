"""Temporal windows: what is fitted lies before a window, what is predicted lies in it. Never a random split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Int32, frozen
from recsys.decay import DAY_S
from recsys.evaluation.truth import Truth
from recsys.interactions import Interactions


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) in epoch seconds."""

    start: int
    end: int


def windows_before(end: int, first_event: int, *, horizon_days: int, count: int) -> tuple[Window, ...]:
    """Up to ``count`` adjoining windows that end at ``end``, newest first.

    A window needs at least as much past before it as it is long, or its history would say nothing of habits; data too
    short for even one get shorter windows (a quarter of what there is), down to a day.
    """
    horizon = horizon_days * DAY_S
    if end - first_event < 2 * horizon:
        horizon = max((end - first_event) // 4, DAY_S)
    found = []
    for position in range(count):
        window = Window(end - (position + 1) * horizon, end - position * horizon)
        if window.start - first_event < horizon:
            break
        found.append(window)
    return tuple(found)


def truth_in(interactions: Interactions, window: Window, n_items: int) -> Truth:
    """Distinct positive target pairs in the window of users who have an event before it."""
    inside = interactions.between(window.start, window.end)
    positive = inside.targets & (inside.weights > 0)
    truth = Truth.of(inside.users[positive], inside.items[positive], n_items)
    return truth.among(frozen(np.unique(interactions.before(window.start).users), np.int32))


def sampled(truth: Truth, most: int, seed: int) -> Truth:
    """At most ``most`` users of ``truth``: training does not gain from more queries than that."""
    if len(truth) <= most:
        return truth
    users: Int32 = np.random.default_rng(seed).choice(truth.users, most, replace=False)
    return truth.among(users)


def span(windows: Sequence[Window]) -> str:
    """For people: the days the windows cover."""
    if not windows:
        return "none"
    first, last = np.array([windows[-1].start, windows[0].end], "datetime64[s]").astype("datetime64[D]")
    return f"{len(windows)} of {(windows[0].end - windows[0].start) / DAY_S:g} days, {first} to {last}"
