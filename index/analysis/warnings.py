"""What the operator should know before a rebuild, and may act on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from index.analysis.analysis import Analysis
from index.gates import LEAST_VALIDATED
from index.heads import LEAST_POSITIVES, LEAST_QUERIES
from recsys.decay import DAY_S

LITTLE_TEXT_SHARE = 0.5
LARGE_SHARE_OF_ONE = 0.1
TIMES_ITS_PART = 5
OUTSIDE_SHARE = 0.05
ENDING_SHARE = 0.25
NEW_USERS_SHARE = 0.2
NEW_ITEMS_SHARE = 0.1
# Beyond what chance explains: Complete Journey shows 0.04, a shop whose goods change with the season far more.
STRONG_DRIFT = 0.2
OWN_VALUE_SHARE = 0.5
FEW_VALUES = 20
MIDNIGHT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class DataWarning:
    """``code`` never changes its meaning, so that a program can look for it; ``sentence`` is for people."""

    code: str
    sentence: str

    def __str__(self) -> str:
        return f"warning: {self.sentence}"


def warnings(analysis: Analysis) -> tuple[DataWarning, ...]:
    """Everything that is worth acting on, what touches most first."""
    return tuple(DataWarning(code, sentence) for rule in RULES for code, sentence in rule(analysis))


Found = Iterator[tuple[str, str]]


def _windows(analysis: Analysis) -> Found:
    windows, sizes = analysis.training.windows, analysis.sizes
    if not sizes.n_positives:
        yield (
            "no_positives",
            "no event is a positive: there is nothing to predict; look at events.weights and events.min_value",
        )
        return
    if not windows:
        yield (
            "no_window",
            f"{sizes.days:,.1f} days are too short for a training window: no ranker is trained, nothing is validated",
        )
        return
    n_users, n_positives = sum(w.n_users for w in windows), sum(w.n_positives for w in windows)
    if n_positives < LEAST_POSITIVES or n_users < LEAST_QUERIES:
        yield (
            "no_ranker",
            f"the training windows hold {n_positives:,} positives of {n_users:,} users, {LEAST_POSITIVES} of "
            f"{LEAST_QUERIES} are needed: no ranker is trained, sources are fused",
        )
    if windows[0].n_users < LEAST_VALIDATED:
        yield (
            "few_validated",
            f"the newest window has {windows[0].n_users:,} users, {LEAST_VALIDATED} are needed: "
            "gates on NDCG@10 are not judged",
        )


def _end(analysis: Analysis) -> Found:
    windows, days = analysis.drift.windows, analysis.drift.window_days
    empty = sum(not window.n_events for window in windows)
    if empty:
        first = datetime.fromtimestamp(analysis.sizes.first_at, UTC)
        yield (
            "empty_windows",
            f"windows of {days:.3g} days without any event: {empty:,} of {len(windows):,}; the first event is of "
            f"{first:%Y-%m-%d}",
        )
    if len(windows) > 1 and windows[-1].n_events < ENDING_SHARE * windows[-2].n_events:
        share = windows[-1].n_events / windows[-2].n_events
        yield (
            "thin_end",
            f"the newest {days:.3g} days have {share:.0%} of the events of those before: are the data complete?",
        )


def _drift(analysis: Analysis) -> Found:
    windows = analysis.drift.windows
    if windows and windows[-1].js_distance - windows[-1].js_by_chance > STRONG_DRIFT:
        yield (
            "strong_drift",
            f"what is taken differs from the window before by {windows[-1].js_distance:.2f}, of which chance explains "
            f"{windows[-1].js_by_chance:.2f}: rebuild often, older windows teach little",
        )


def _clock(analysis: Analysis) -> Found:
    clock, sizes = analysis.clock, analysis.sizes
    if sizes.first_at == sizes.last_at:
        if sizes.n_events > 1:
            yield "one_time", "all events have the same time: nothing is known of their order"
    elif clock.step_s == DAY_S:
        yield "day_timestamps", "timestamps are days: order within a day is unknown"
    elif clock.share_at_midnight >= MIDNIGHT_SHARE:
        yield "midnight", f"{clock.share_at_midnight:.0%} of events are at midnight UTC: their time of day is unknown"


def _one(analysis: Analysis) -> Found:
    sizes = analysis.sizes
    user, item = analysis.user_concentration.share_of_largest, analysis.item_concentration.share_of_largest
    if _stands_out(user, sizes.n_users):
        yield "one_user", f"{user:.0%} of events are of one user: a robot, a test account, everyone not signed in?"
    if _stands_out(item, sizes.n_items):
        yield "one_item", f"{item:.0%} of events are on one item: a placeholder, a delivery fee?"


def _stands_out(share: float, n: int) -> bool:
    """Whether one of ``n`` holds much: of ten users each holds a tenth, and that is nothing to wonder at."""
    return share >= LARGE_SHARE_OF_ONE and share * n >= TIMES_ITS_PART


def _ratings(analysis: Analysis) -> Found:
    ratings = analysis.ratings
    if ratings is not None and math.isnan(ratings.min_value) and ratings.least < ratings.most:
        yield (
            "ratings_all_count",
            f"ratings go from {ratings.least:g} to {ratings.most:g} and events.min_value is not set: "
            f"a {ratings.least:g} counts as a liking",
        )


def _texts(analysis: Analysis) -> Found:
    text = analysis.coverage.items["text"]
    if not text.n_distinct:
        yield "no_text", "no text: the content source has nothing to say"
    elif text.share_of_events < LITTLE_TEXT_SHARE:
        yield (
            "little_text",
            f"{text.share_of_events:.0%} of events are on items with a text: the content source knows no others",
        )


def _cold(analysis: Analysis) -> Found:
    cold, coverage, n_events = analysis.cold, analysis.coverage, analysis.sizes.n_events
    if cold.share_of_new_users >= NEW_USERS_SHARE and not coverage.users:
        yield (
            "cold_users",
            f"{cold.share_of_new_users:.0%} of the newest window's target events are of users new in it, and there is "
            "no profile: they begin with what is popular",
        )
    if cold.share_of_new_items >= NEW_ITEMS_SHARE and not coverage.items["text"].n_distinct:
        yield (
            "cold_items",
            f"{cold.share_of_new_items:.0%} of the newest window's target events are on items new in it, which without "
            "text no source can find",
        )
    if cold.n_events_outside_catalogue >= OUTSIDE_SHARE * n_events:
        yield (
            "outside_catalogue",
            f"{cold.n_events_outside_catalogue / n_events:.0%} of events are on items that the items table lacks: "
            "nothing but their id is known",
        )


def _profile(analysis: Analysis) -> Found:
    for name, column in analysis.coverage.users.items():
        n_known = round(column.share_known * analysis.sizes.n_known_users)
        if column.n_distinct == 1 and n_known > 1:
            yield "constant_profile", f"profile column {name} has one value only: it tells users apart by nothing"
        elif column.kind == "category" and column.n_distinct > max(OWN_VALUE_SHARE * n_known, FEW_VALUES):
            yield (
                "fine_profile",
                f"profile column {name} has {column.n_distinct:,} values for {n_known:,} users: "
                "too fine to tell of others",
            )


RULES: tuple[Callable[[Analysis], Found], ...] = (
    _windows,
    _end,
    _drift,
    _clock,
    _one,
    _ratings,
    _texts,
    _cold,
    _profile,
)
