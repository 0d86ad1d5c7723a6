"""Every warning is raised by what it is about, and by nothing in a shop where all is well."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from index.analysis.analysis import Analysis, analyse
from index.analysis.coverage import Column
from index.analysis.drift import DriftWindow
from index.analysis.ratings import Ratings
from index.analysis.training import TrainingWindow
from index.analysis.warnings import warnings
from index.dataset import Dataset

DAY = 86_400
SOUND_TEXT = Column("text", 1.0, 1.0, 900, 9.0)
RATINGS = Ratings(90, 1.0, 1.0, 4.0, 5.0, 3.5, 5, {"1": 0.1, "5": 0.9}, math.nan, math.nan)


def window(n_users: int, n_positives: int = 5_000) -> TrainingWindow:
    return TrainingWindow(0, 28 * DAY, n_users, n_positives, 0.4, 0.4)


def drifting(n_events: int, js_distance: float = 0.3) -> DriftWindow:
    return DriftWindow(0, n_events, 300, 90, 0.1, 0.1, js_distance, 0.25, 0.8)


@pytest.fixture
def sound(small: Dataset) -> Analysis:
    """An analysis that gives no cause for concern: the small shop's, with figures of a larger one."""
    found = analyse(small, end=int(small.interactions.times.max()) + 1)
    return replace(
        found,
        sizes=replace(found.sizes, n_users=2_000, n_items=900, n_known_users=2_000, n_events=90_000),
        user_concentration=replace(found.user_concentration, share_of_largest=0.01),
        item_concentration=replace(found.item_concentration, share_of_largest=0.05),
        drift=replace(found.drift, window_days=28.0, windows=(drifting(4_000), drifting(3_900))),
        training=replace(found.training, windows=(window(300), window(290))),
        clock=replace(found.clock, step_s=1, share_at_midnight=0.0),
        cold=replace(found.cold, share_of_new_users=0.3, share_of_new_items=0.3, n_events_outside_catalogue=9),
        coverage=replace(
            found.coverage,
            items={"text": SOUND_TEXT},
            users={"age": Column("number", 1.0, 1.0, 1_900, 9.0), "city": Column("category", 0.5, 0.5, 12, 3.0)},
        ),
    )


def with_columns(analysis: Analysis, **columns: Column) -> Analysis:
    return replace(analysis, coverage=replace(analysis.coverage, users=columns))


def with_text(analysis: Analysis, **changes: Any) -> Analysis:
    return replace(analysis, coverage=replace(analysis.coverage, items={"text": replace(SOUND_TEXT, **changes)}))


def part(name: str, **changes: Any) -> Callable[[Analysis], Analysis]:
    """A change of figures in the section ``name``."""
    return lambda analysis: replace(analysis, **{name: replace(getattr(analysis, name), **changes)})


def no_text(analysis: Analysis) -> Analysis:
    calm = replace(analysis.cold, share_of_new_items=0.0)
    return with_text(replace(analysis, cold=calm), n_distinct=0, share_of_events=0.0)


def one_time(analysis: Analysis) -> Analysis:
    return replace(analysis, sizes=replace(analysis.sizes, last_at=analysis.sizes.first_at))


CASES: dict[str, tuple[Callable[[Analysis], Analysis], str]] = {
    "no_positives": (part("sizes", n_positives=0), "no event is a positive: there is nothing to predict"),
    "no_window": (part("training", windows=()), "21.0 days are too short for a training window"),
    "no_ranker": (
        part("training", windows=(window(200, 50), window(200, 49))),
        "99 positives of 400 users, 100 of 30 are needed: no ranker is trained",
    ),
    "few_validated": (
        part("training", windows=(window(199), window(9_000))),
        "the newest window has 199 users, 200 are needed: gates on NDCG@10 are not judged",
    ),
    "empty_windows": (
        part("drift", windows=(drifting(5), drifting(0), drifting(4))),
        "windows of 28 days without any event: 1 of 3",
    ),
    "thin_end": (
        part("drift", windows=(drifting(400), drifting(80))),
        "the newest 28 days have 20% of the events of those before",
    ),
    "strong_drift": (
        part("drift", windows=(drifting(400), drifting(400, 0.66))),
        "differs from the window before by 0.66, of which chance explains 0.25",
    ),
    "one_time": (one_time, "all events have the same time"),
    "day_timestamps": (part("clock", step_s=DAY), "timestamps are days: order within a day is unknown"),
    "midnight": (part("clock", share_at_midnight=0.6), "60% of events are at midnight UTC"),
    "one_user": (part("user_concentration", share_of_largest=0.3), "30% of events are of one user"),
    "one_item": (part("item_concentration", share_of_largest=0.25), "25% of events are on one item"),
    "ratings_all_count": (
        lambda analysis: replace(analysis, ratings=RATINGS),
        "ratings go from 1 to 5 and events.min_value is not set: a 1 counts as a liking",
    ),
    "no_text": (no_text, "no text: the content source has nothing to say"),
    "little_text": (
        lambda analysis: with_text(analysis, share_of_events=0.4),
        "40% of events are on items with a text",
    ),
    "cold_users": (with_columns, "30% of the newest window's target events are of users new in it"),
    "outside_catalogue": (
        part("cold", n_events_outside_catalogue=9_000),
        "10% of events are on items that the items table lacks",
    ),
    "constant_profile": (
        lambda analysis: with_columns(analysis, country=Column("category", 1.0, 1.0, 1, 0.0)),
        "profile column country has one value only",
    ),
    "fine_profile": (
        lambda analysis: with_columns(analysis, zip=Column("category", 1.0, 1.0, 1_500, 10.0)),
        "profile column zip has 1,500 values for 2,000 users",
    ),
}


def test_a_sound_shop_is_warned_of_nothing(sound: Analysis) -> None:
    assert warnings(sound) == ()


@pytest.mark.parametrize("code", CASES)
def test_each_cause_has_its_warning_and_no_other(sound: Analysis, code: str) -> None:
    change, words = CASES[code]
    found = warnings(change(sound))
    assert [warning.code for warning in found] == [code]
    assert words in found[0].sentence
    assert str(found[0]) == f"warning: {found[0].sentence}"


def test_new_items_are_out_of_reach_only_without_text(sound: Analysis) -> None:
    bare = with_text(sound, n_distinct=0, share_of_events=0.0)
    assert [warning.code for warning in warnings(bare)] == ["no_text", "cold_items"]


def test_one_of_a_few_holds_its_part_and_is_no_cause_for_wonder(sound: Analysis) -> None:
    few = replace(sound, sizes=replace(sound.sizes, n_users=10))
    at = replace(few, user_concentration=replace(few.user_concentration, share_of_largest=0.4))
    assert warnings(at) == ()


@pytest.mark.parametrize(
    "ratings",
    [replace(RATINGS, min_value=3.0, share_below=0.1), replace(RATINGS, least=1.0, most=1.0)],
    ids=["a least value is set", "all are the same"],
)
def test_ratings_that_are_decided_or_say_nothing_need_no_warning(sound: Analysis, ratings: Ratings) -> None:
    assert warnings(replace(sound, ratings=ratings)) == ()


def test_the_small_shop_is_warned_of_its_size_and_its_days(small: Dataset) -> None:
    found = warnings(analyse(small, end=int(small.interactions.times.max()) + 1))
    assert [warning.code for warning in found] == [
        "no_ranker",
        "few_validated",
        "empty_windows",
        "day_timestamps",
        "outside_catalogue",
    ]
