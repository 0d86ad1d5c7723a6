"""Temporal windows: what is fitted lies before a window, what is predicted lies in it. Never a random split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Int32, Int64, frozen
from recsys.decay import DAY_S
from recsys.evaluation.truth import Truth
from recsys.interactions import Interactions

LEAST_WINDOWS, MOST_WINDOWS = 4, 12
# With fewer takers a window, rankers may learn from whatever users did next, where at least so many times as many did
# something; with hardly any takers there is nothing to judge that by.
LEAST_TAKERS, FEW_TAKERS, MANY_ACTORS = 30, 4_000, 2
# Windows learnt from so. More only where more are judged, each of which needs an older one.
LEAST_ACTED = 4
ENOUGH_USERS = 8_000
# Who took something new is a part of these, and a small one in a shop of habits.
ENOUGH_DISCOVERERS = 4_000
# Users of all windows beyond the least number of them; a rebuild takes some 5 ms for the rows of each.
MOST_ASKED = 40_000
JUDGED_USERS = 1_500
# Windows that begin within the length of one, where they overlap.
OVERLAPPING = 4
# So few events, followed by so long without any, are clocks that were wrong ("no time" written as 0), not a beginning.
LEAST_BEGINNING, LONGEST_PAUSE_S = 0.01, 365 * DAY_S


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) in epoch seconds."""

    start: int
    end: int


def length_s(end: int, first_event: int, *, horizon_days: int) -> int:
    """Seconds of a window: ``horizon_days``, or a quarter of what there is when that is less than two of them.

    Never less than a day.
    """
    horizon = horizon_days * DAY_S
    return horizon if end - first_event >= 2 * horizon else max((end - first_event) // 4, DAY_S)


def beginning_of(times: Int64) -> int:
    """Epoch seconds at which the log of ``times`` (n,) begins: its first event, or the one after the pause.

    A year's pause counts when hardly anything lies before it: windows in years without an event hold nobody, and make a
    short log look long. Memory: 16 bytes an event.
    """
    ordered = np.sort(times)
    starts = np.flatnonzero(np.diff(ordered) > LONGEST_PAUSE_S) + 1
    starts = starts[starts <= LEAST_BEGINNING * len(ordered)]
    return int(ordered[starts[-1] if len(starts) else 0])


def windows_before(
    end: int, first_event: int, *, horizon_days: int, count: int, per_window: int = 1
) -> tuple[Window, ...]:
    """Up to ``count`` windows, newest first; the newest ends at ``end``.

    ``per_window`` of them begin within the length of one: with 1 they adjoin, with more they overlap.

    A window needs at least as much past before it as it is long, or its history would say nothing of habits; data too
    short for even one get shorter windows (a quarter of what there is), down to a day.
    """
    horizon = length_s(end, first_event, horizon_days=horizon_days)
    stride = horizon // per_window
    found = []
    for position in range(count):
        window = Window(end - position * stride - horizon, end - position * stride)
        if window.start - first_event < horizon:
            break
        found.append(window)
    return tuple(found)


def planned(
    interactions: Interactions, end: int, n_items: int, *, horizon_days: int, count: int | None
) -> tuple[Window, ...]:
    """Windows to learn from and to judge by. ``count`` None: as many as it takes.

    Adjoining windows until they hold ENOUGH_USERS, and ENOUGH_DISCOVERERS of something new among MOST_ASKED, at least
    LEAST_WINDOWS and at most MOST_WINDOWS; where the data is too short for the users, windows that overlap by three
    quarters: the same days seen from other days are other questions.
    """
    first = beginning_of(interactions.times)
    if count is not None:
        return windows_before(end, first, horizon_days=horizon_days, count=count)
    newest = windows_before(end, first, horizon_days=horizon_days, count=1)
    n_users, n_discoverers = _users_of(interactions, newest[0], n_items) if newest else (0, 0)
    for_all = max(-(-ENOUGH_USERS // max(n_users, 1)), LEAST_WINDOWS)
    for_new = min(-(-ENOUGH_DISCOVERERS // n_discoverers), MOST_ASKED // max(n_users, 1)) if n_discoverers else 0
    wanted = min(max(for_all, for_new), MOST_WINDOWS)
    adjoining = windows_before(end, first, horizon_days=horizon_days, count=wanted)
    if len(adjoining) >= min(for_all, MOST_WINDOWS) or n_users * len(adjoining) >= ENOUGH_USERS:
        return adjoining
    return windows_before(end, first, horizon_days=horizon_days, count=MOST_WINDOWS, per_window=OVERLAPPING)


def judged(windows: Sequence[Window], n_users: int) -> tuple[Window, ...]:
    """The newest windows that do not overlap, to judge by: as many as make JUDGED_USERS of ``n_users`` each, 2 to 6."""
    return _apart(windows, min(max(-(-JUDGED_USERS // max(n_users, 1)), 2), 6))


def acted(interactions: Interactions, windows: Sequence[Window], n_items: int, *, n_judged: int) -> tuple[Window, ...]:
    """The newest windows that do not overlap, to learn from all that users did in them: LEAST_ACTED of them, or one
    more than is judged by.

    Empty where in the newest window enough took something, hardly anybody did, or fewer than MANY_ACTORS times as many
    did anything at all; and where there is no older window to learn from.
    """
    if not windows:
        return ()
    n_takers, n_actors = (len(of(interactions, windows[0], n_items)) for of in (truth_in, acts_in))
    wanted = LEAST_TAKERS <= n_takers < FEW_TAKERS and n_actors >= MANY_ACTORS * n_takers
    found = _apart(windows, max(LEAST_ACTED, n_judged + 1)) if wanted else ()
    return found if len(found) > 1 else ()


def _apart(windows: Sequence[Window], most: int) -> tuple[Window, ...]:
    found: list[Window] = []
    for window in windows:
        if len(found) < most and (not found or window.end <= found[-1].start):
            found.append(window)
    return tuple(found)


def _users_of(interactions: Interactions, window: Window, n_items: int) -> tuple[int, int]:
    """How many users a window has, and how many who took something new."""
    truth = truth_in(interactions, window, n_items)
    return len(truth), len(novel_of(truth, interactions.before(window.start), n_items))


def truth_in(interactions: Interactions, window: Window, n_items: int) -> Truth:
    """Distinct positive target pairs in the window of users who have an event before it."""
    return _known(interactions, window, n_items, targets_only=True)


def acts_in(interactions: Interactions, window: Window, n_items: int) -> Truth:
    """As ``truth_in``, of all that they did and not of targets alone."""
    return _known(interactions, window, n_items, targets_only=False)


def _known(interactions: Interactions, window: Window, n_items: int, *, targets_only: bool) -> Truth:
    truth = _pairs(interactions, window, n_items, targets_only=targets_only)
    return truth.among(frozen(np.unique(interactions.before(window.start).users), np.int32))


def _pairs(interactions: Interactions, window: Window, n_items: int, *, targets_only: bool) -> Truth:
    inside = interactions.between(window.start, window.end)
    positive = inside.weights > 0
    if targets_only:
        positive &= inside.targets
    return Truth.of(inside.users[positive], inside.items[positive], n_items)


def novel_of(truth: Truth, past: Interactions, n_items: int) -> Truth:
    """The pairs of ``truth`` that nobody owned in ``past``: the truth of the task ``novel``."""
    return truth.without(past.users[past.targets], past.items[past.targets], n_items)


def strangers_in(interactions: Interactions, window: Window, n_items: int, *, targets_only: bool = True) -> Truth:
    """Distinct positive pairs in the window of users without an event before it; of targets, or of all they did."""
    truth = _pairs(interactions, window, n_items, targets_only=targets_only)
    return truth.among(frozen(np.setdiff1d(truth.users, interactions.before(window.start).users), np.int32))


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
