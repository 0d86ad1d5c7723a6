"""The windows a ranker would learn from, and what each holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.analysis.pairs import Pairs, first_of_users
from index.analysis.spread import share
from index.dataset import Dataset
from index.windows import Window, planned
from recsys.arrays import Int64
from recsys.decay import DAY_S


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """One window, [start, end) in epoch seconds.

    n_users: with an event before it and a positive in it · n_positives: their distinct (user, item) pairs ·
    share_owned, share_seen: of these pairs, those that had a target event, or an event of any type, before it.
    """

    start: int
    end: int
    n_users: int
    n_positives: int
    share_owned: float
    share_seen: float


@dataclass(frozen=True, slots=True)
class Training:
    """The windows that the settings give, newest first, as a rebuild makes them.

    asked, asked_days: how many windows of how many days the settings want, None = as many as it takes.
    """

    asked: int | None
    asked_days: int
    windows: tuple[TrainingWindow, ...]

    @property
    def newest(self) -> Window | None:
        """The window that rankers are validated on; None when the data are too short for one."""
        return Window(self.windows[0].start, self.windows[0].end) if self.windows else None

    @property
    def days(self) -> float:
        """Length of a window; 0 without any."""
        return (self.windows[0].end - self.windows[0].start) / DAY_S if self.windows else 0.0

    @classmethod
    def of(cls, dataset: Dataset, pairs: Pairs, *, end: int) -> Training:
        """The windows of ``dataset``, whose events lie before ``end``. Memory: 9 bytes an interaction."""
        table, settings = dataset.interactions, dataset.settings.training
        user_since = first_of_users(table, len(dataset.user_ids))
        positive = table.targets & (table.weights > 0)
        n_items = len(dataset.item_ids)
        windows = planned(table, end, n_items, horizon_days=settings.days, count=settings.windows)
        found = []
        for window in windows:
            # The pairs of ``index.windows.truth_in``, without a copy of the past.
            inside = positive & (table.times >= window.start) & (table.times < window.end)
            taken = np.zeros(len(pairs), bool)
            taken[pairs.of_row[inside & (user_since[table.users] < window.start)]] = True
            found.append(_window(window, np.flatnonzero(taken), pairs))
        return cls(settings.windows, settings.days, tuple(found))


def _window(window: Window, taken: Int64, pairs: Pairs) -> TrainingWindow:
    return TrainingWindow(
        start=window.start,
        end=window.end,
        n_users=len(np.unique(pairs.users[taken])),
        n_positives=len(taken),
        share_owned=share(pairs.first_target[taken] < window.start),
        share_seen=share(pairs.first_any[taken] < window.start),
    )
