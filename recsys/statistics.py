"""Item statistics as of a time: popularity, trend, repurchase. Fitted offline, a column lookup online."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64, frozen
from recsys.decay import WEEK_S
from recsys.grouping import Groups
from recsys.interactions import Interactions
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

NAMES = (
    "users_4w",
    "users_12w",
    "users_all",
    "weight_4w",
    "trend",
    "repeat_rate",
    "return_rate",
    "gap_weeks",
    "first_rate_4w",
    "first_rate_8w",
    "age_weeks",
    "users_1w",
    "popularity_2w",
    "first_chance_8w",
    "season",
)
GAP_PRIOR_PAIRS = 3.0
USUAL_FADE_WEEKS = 2.0


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """values (n_items, 15) float32, columns ``NAMES``, as of ``at`` (epoch seconds). Counts are log1p, rates smoothed.

    users_*: distinct users with a target event in the last weeks · weight_4w: all events, weighted · trend: log ratio
    of the last 4 weeks to the mean 4 of the last 12 · repeat_rate: share of its users with a second one ·
    return_rate: of users who had it 4 to 8 weeks ago, the share who took it again since · gap_weeks: mean time between
    two of one user · first_rate_*: users new to it in the last weeks, per active user ·
    age_weeks: since its first event · popularity_2w: users, fading over two weeks, over less in a shop of short lives ·
    first_chance_8w: users new to it in 8 weeks per active user who could have been · season: log ratio of its users in
    the 6 weeks around this time last year to the purchases of a mean 6 of that year, NaN without such a year ·
    newcomer (15,): what an item without events has; None in statistics written before there were live items ·
    fade_weeks: what popularity_2w fades over · arrivals: (15,) by item_id, of items that the snapshot lacks; only where
    live events were counted.
    """

    at: int
    values: Float32
    newcomer: Float32 | None = None
    fade_weeks: float = USUAL_FADE_WEEKS
    arrivals: Mapping[str, Float32] = field(default_factory=dict)

    def column(self, name: str) -> Float32:
        """One statistic of every item (n_items,)."""
        return self.values[:, NAMES.index(name)]

    @classmethod
    def fit(
        cls, interactions: Interactions, n_items: int, at: int, *, fade_weeks: float = USUAL_FADE_WEEKS
    ) -> ItemStatistics:
        """Count over interactions that all lie before ``at``. Memory: about 60 bytes an interaction."""
        n_items += 1  # the last one is nobody's: what an item without events has
        # What a user said they did not like makes nothing popular.
        targets = interactions.targets & (interactions.weights > 0)
        users, items = interactions.users[targets].astype(np.int64), interactions.items[targets]
        ages = (at - interactions.times[targets]) / WEEK_S
        pairs = Groups.of(users * n_items + items)  # newest first within a pair, as the table is
        pair_item = (pairs.keys % n_items).astype(np.int32)
        last, first, count = pairs.first(ages), pairs.last(ages), pairs.counts

        def users_where(mask: Bool) -> Float64:
            return np.bincount(pair_item[mask], minlength=n_items).astype(np.float64)

        n_all = users_where(count > 0)
        n_4w, n_12w = users_where(last < 4), users_where(last < 12)
        recent = (at - interactions.times) < 4 * WEEK_S
        weight_4w = np.bincount(
            interactions.items[recent], weights=interactions.weights[recent].astype(np.float64), minlength=n_items
        )
        repeats = users_where(first - last > 1 / 7)
        base_repeat = repeats.sum() / max(n_all.sum(), 1.0)
        returned, due = _returns(pairs, ages, pair_item, n_items)
        base_return = returned.sum() / max(due.sum(), 1.0)
        gap = _mean_gap(pair_item, first, last, count, n_items)
        active_4w, active_8w = (max(len(np.unique(users[ages < weeks])), 1) for weeks in (4, 8))
        oldest = np.full(n_items, -np.inf)
        np.maximum.at(oldest, pair_item, first)
        columns = (
            np.log1p(n_4w),
            np.log1p(n_12w),
            np.log1p(n_all),
            np.log1p(weight_4w),
            np.log((n_4w + 1) / (n_12w / 3 + 1)),
            (repeats + 5 * base_repeat) / (n_all + 5),
            (returned + 5 * base_return) / (due + 5),
            gap,
            users_where(first < 4) / active_4w,
            users_where(first < 8) / active_8w,
            np.where(np.isfinite(oldest), oldest, np.nan),
            np.log1p(users_where(last < 1)),
            np.log1p(np.bincount(pair_item, weights=np.exp(last / -fade_weeks), minlength=n_items)),
            users_where(first < 8) / np.maximum(active_8w - n_all, active_8w * 0.05),
            _season(pair_item, pairs, ages, n_items),
        )
        values = frozen(np.stack(columns, axis=1), np.float32)
        return cls(at, values[:-1], values[-1], fade_weeks)

    def of_newcomer(self) -> Float32:
        """(15,) what an item without events has. Where it was not written: as such an item has, or no rates at all."""
        if self.newcomer is not None:
            return self.newcomer
        without = np.isnan(self.column("age_weeks"))
        if without.any():
            found: Float32 = self.values[int(np.argmax(without))]
            return found
        unknown = frozenset({"repeat_rate", "return_rate", "gap_weeks", "age_weeks", "season"})
        return frozen([np.nan if name in unknown else 0.0 for name in NAMES], np.float32)

    def of_arrivals(self, item_ids: Sequence[str]) -> Float32:
        """(m, 15) of items that the snapshot lacks: what was counted of them, else what a newcomer has."""
        nothing = self.of_newcomer()
        rows = [self.arrivals.get(id, nothing) for id in item_ids]
        return frozen(np.array(rows, np.float32).reshape(-1, len(NAMES)), np.float32)

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``statistics.*`` arrays."""
        out.array("statistics.values", self.values)
        out.array("statistics.at", np.array([self.at], np.int64))
        out.array("statistics.fade_weeks", np.array([self.fade_weeks], np.float64))
        if self.newcomer is not None:
            out.array("statistics.newcomer", self.newcomer)
        if self.arrivals:
            ids = sorted(self.arrivals)
            out.json("statistics.arrivals.json", ids)
            out.array("statistics.arrivals", np.stack([self.arrivals[id] for id in ids]))

    @classmethod
    def read(cls, src: SnapshotReader) -> ItemStatistics:
        """The statistics that ``write`` stored."""
        newcomer = src.array("statistics.newcomer") if src.has("statistics.newcomer") else None
        fade_weeks = USUAL_FADE_WEEKS
        if src.has("statistics.fade_weeks"):
            fade_weeks = float(src.array("statistics.fade_weeks")[0])
        arrivals: Mapping[str, Float32] = {}
        if src.has("statistics.arrivals.json"):
            ids = src.json("statistics.arrivals.json")
            arrivals = dict(zip(ids, src.array("statistics.arrivals"), strict=True))
        return cls(int(src.array("statistics.at")[0]), src.array("statistics.values"), newcomer, fade_weeks, arrivals)


def _returns(pairs: Groups, ages: Float64, pair_item: Int32, n_items: int) -> tuple[Float64, Float64]:
    """By item: users who took it 4 to 8 weeks ago and again in the last 4, and users who took it 4 to 8 weeks ago."""
    before = pairs.sum(((ages >= 4) & (ages < 8)).astype(np.float32)) > 0
    again = before & (pairs.sum((ages < 4).astype(np.float32)) > 0)
    return (
        np.bincount(pair_item[again], minlength=n_items).astype(np.float64),
        np.bincount(pair_item[before], minlength=n_items).astype(np.float64),
    )


def _season(pair_item: Int32, pairs: Groups, ages: Float64, n_items: int) -> Float64:
    """Log ratio (n_items,) of users in weeks 47 to 53 back, the weeks to come a year ago, to the year's mean 6."""
    if not len(ages) or ages.max() < 60:
        return np.full(n_items, np.nan)
    then = pairs.sum(((ages >= 47) & (ages < 53)).astype(np.float32)) > 0
    year = pairs.sum(((ages >= 8) & (ages < 60)).astype(np.float32))
    in_season = np.bincount(pair_item[then], minlength=n_items)
    mean = np.bincount(pair_item, weights=year, minlength=n_items) * 6 / 52
    return np.log((in_season + 1.0) / (mean + 1.0))


def _mean_gap(pair_item: Int32, first: Float64, last: Float64, count: Int64, n_items: int) -> Float64:
    """Mean weeks between two purchases of one user (n_items,), shrunk to the mean of all items."""
    several = count > 1
    gaps = ((first - last)[several]) / (count[several] - 1)
    mean = float(gaps.mean()) if len(gaps) else 4.0
    total = np.bincount(pair_item[several], weights=gaps, minlength=n_items)
    number = np.bincount(pair_item[several], minlength=n_items)
    return (total + GAP_PRIOR_PAIRS * mean) / (number + GAP_PRIOR_PAIRS)
