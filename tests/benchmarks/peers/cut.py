"""One cut in time: what came before it, and what users then took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from peers.tables import DAY, Events

HORIZON_DAYS = 28
TASKS = ("all", "novel")
PAIR = ["user_id", "item_id"]


@dataclass(frozen=True, slots=True)
class Cut:
    """start, end: microseconds; the truth is in [start, end), end None = to the last event."""

    start: int
    end: int | None

    def before(self, events: Events) -> pl.DataFrame:
        """Rows before the cut: all that anything may be fitted on."""
        return events.rows.filter(pl.col("at") < self.start)

    def truth(self, events: Events, task: str) -> pl.DataFrame:
        """Distinct user_id, item_id taken from the cut on, of users with an event before it, sorted.

        ``novel`` leaves out what a user had before, which is an event of a target type with any value.
        """
        before = self.before(events)
        after = events.rows.filter((pl.col("at") >= self.start) & pl.col("is_good"))
        if self.end is not None:
            after = after.filter(pl.col("at") < self.end)
        truth = after.select(PAIR).unique().join(before.select("user_id").unique(), on="user_id", how="semi")
        if task == "novel":
            truth = truth.join(before.filter("is_target").select(PAIR).unique(), on=PAIR, how="anti")
        return truth.sort(PAIR)

    def earlier(self, *, horizon_days: int = HORIZON_DAYS) -> Cut:
        """The cut a horizon before this one, whose truth ends where this one starts: to choose settings on."""
        return Cut(self.start - horizon_days * DAY, self.start)


def rolling(events: Events, n_windows: int, *, horizon_days: int = HORIZON_DAYS) -> list[Cut]:
    """The last ``n_windows`` windows, oldest first; the newest ends with the last event."""
    step = horizon_days * DAY
    starts = [events.end - step * (back + 1) for back in reversed(range(n_windows))]
    return [Cut(start, None if start + step >= events.end else start + step) for start in starts]


def takes_twice(events: Events, cut: Cut) -> bool:
    """Whether at least one in a hundred target events before ``cut`` is of an item its user had before."""
    taken = cut.before(events).filter("is_target").select(*PAIR, "at").unique()
    return taken.select(PAIR).n_unique() < 0.99 * taken.height


def sampled(truth: pl.DataFrame, most: int, seed: int = 7) -> pl.DataFrame:
    """``truth`` of at most ``most`` users, drawn with a fixed seed; 0 = of all."""
    users = truth["user_id"].unique().sort()
    if not most or users.len() <= most:
        return truth
    drawn = np.sort(np.random.default_rng(seed).choice(users.len(), most, replace=False))
    return truth.join(users.gather(_indices(drawn)).to_frame(), on="user_id", how="semi").sort(PAIR)


def _indices(values: npt.NDArray[np.int64]) -> pl.Series:
    return pl.Series(values, dtype=pl.UInt32)
