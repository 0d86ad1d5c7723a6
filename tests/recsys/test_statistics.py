from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from recsys.interactions import Interactions
from recsys.statistics import NAMES, ItemStatistics

Table = Callable[..., Interactions]
WEEK = 7.0

# Item 0: user 0 took it 1, 5 and 9 weeks ago; user 1 took it 6 weeks ago; user 2 took it 20 weeks ago.
# Item 1: user 1 took it 2 weeks ago and viewed it 1 week ago (weight 0.5, no target). Item 2: nobody.
EVENTS = [
    (0, 0, 1 * WEEK),
    (0, 0, 5 * WEEK),
    (0, 0, 9 * WEEK),
    (1, 0, 6 * WEEK),
    (2, 0, 20 * WEEK),
    (1, 1, 2 * WEEK),
    (1, 1, 1 * WEEK, 0.5, False),
]


@pytest.fixture
def statistics(interactions: Table, now: int) -> ItemStatistics:
    return ItemStatistics.fit(interactions(EVENTS), 3, now)


@pytest.mark.parametrize(
    ("name", "item_0", "item_1", "item_2"),
    [
        ("users_4w", math.log1p(1), math.log1p(1), 0.0),
        ("users_12w", math.log1p(2), math.log1p(1), 0.0),
        ("users_all", math.log1p(3), math.log1p(1), 0.0),
        ("weight_4w", math.log1p(1), math.log1p(1.5), 0.0),
        ("trend", math.log(2 / (2 / 3 + 1)), math.log(2 / (1 / 3 + 1)), 0.0),
        # One of four pairs was repeated: the rate of all is 1/4, with the weight of five users.
        ("repeat_rate", (1 + 5 / 4) / (3 + 5), (0 + 5 / 4) / (1 + 5), 1 / 4),
        # Users 0 and 1 took item 0 four to eight weeks ago, user 0 came back.
        ("return_rate", (1 + 5 / 2) / (2 + 5), 1 / 2, 1 / 2),
        # The only gap is 4 weeks, so the mean of all is 4 as well.
        ("gap_weeks", 4.0, 4.0, 4.0),
        # Active in the last 4 weeks: users 0 and 1; new to item 1 then: user 1.
        ("first_rate_4w", 0.0, 1 / 2, 0.0),
        ("first_rate_8w", 1 / 2, 1 / 2, 0.0),
        ("age_weeks", 20.0, 2.0, math.nan),
        # One week ago exactly is no longer within the week.
        ("users_1w", 0.0, 0.0, 0.0),
        # By the last time of each user: 1, 6 and 20 weeks ago.
        ("popularity_2w", math.log1p(math.exp(-0.5) + math.exp(-3) + math.exp(-10)), math.log1p(math.exp(-1)), 0.0),
        # Active in 8 weeks: users 0 and 1. All three had item 0: there is always a twentieth left to win.
        ("first_chance_8w", 1 / (2 * 0.05), 1 / (2 - 1), 0.0),
        # Not yet a year and eight weeks of data.
        ("season", math.nan, math.nan, math.nan),
    ],
)
def test_a_statistic_by_hand(
    statistics: ItemStatistics, name: str, item_0: float, item_1: float, item_2: float
) -> None:
    assert statistics.column(name) == pytest.approx([item_0, item_1, item_2], rel=1e-6, nan_ok=True)


def test_popularity_can_fade_faster(interactions: Table, now: int) -> None:
    table = interactions([(0, 0, 7), (1, 0, 42), (2, 1, 14)])
    found = ItemStatistics.fit(table, 2, now, fade_weeks=0.5)
    expected = [math.log1p(math.exp(-2) + math.exp(-12)), math.log1p(math.exp(-4))]
    assert found.column("popularity_2w").tolist() == pytest.approx(expected)
    usual = ItemStatistics.fit(table, 2, now)
    others = [name for name in NAMES if name != "popularity_2w"]
    assert all(np.array_equal(found.column(n), usual.column(n), equal_nan=True) for n in others)


def test_users_of_the_last_week_are_counted_once(interactions: Table, now: int) -> None:
    table = interactions([(0, 0, 1), (0, 0, 6.9), (1, 0, 3), (2, 0, 7), (2, 1, 7.5)])
    assert ItemStatistics.fit(table, 2, now).column("users_1w") == pytest.approx([math.log1p(2), 0.0])


def test_a_season_is_the_weeks_to_come_a_year_ago_against_that_year(interactions: Table, now: int) -> None:
    weeks = {
        # Two users within weeks 47 to 53 and two purchases out of season, one of them too late to be of that year.
        0: [(0, 47.0), (0, 52.9), (1, 50.0), (2, 20.0), (3, 7.9)],
        # Nobody in the season: 53 weeks ago is before it, 46.9 after it.
        1: [(0, 53.0), (1, 46.9)],
        # What comes before that year only shows that there is one.
        2: [(0, 60.1)],
    }
    table = interactions([(user, item, week * WEEK) for item, rows in weeks.items() for user, week in rows])
    season = ItemStatistics.fit(table, 4, now).column("season")
    expected = [math.log(3 / (4 * 6 / 52 + 1)), math.log(1 / (2 * 6 / 52 + 1)), 0.0, 0.0]
    assert season == pytest.approx(expected, rel=1e-6)


def test_the_mean_gap_is_shrunk_to_the_mean_of_all_pairs(interactions: Table, now: int) -> None:
    table = interactions([(0, 0, 2 * WEEK), (0, 0, 4 * WEEK), (1, 1, 1 * WEEK), (1, 1, 7 * WEEK), (1, 1, 9 * WEEK)])
    gaps = ItemStatistics.fit(table, 2, now).column("gap_weeks")
    # Gaps 2 and (9 - 1) / 2 = 4, mean 3, three pairs of prior weight.
    assert gaps == pytest.approx([(2 + 3 * 3) / 4, (4 + 3 * 3) / 4])


def test_two_lines_of_one_day_are_no_repeat(interactions: Table, now: int) -> None:
    same_day = ItemStatistics.fit(interactions([(0, 0, 3.0), (0, 0, 3.5)]), 1, now)
    later = ItemStatistics.fit(interactions([(0, 0, 3.0), (0, 0, 4.5)]), 1, now)
    assert same_day.column("repeat_rate")[0] == 0.0
    assert later.column("repeat_rate")[0] == 1.0


def test_without_any_event_only_the_age_and_the_season_are_unknown(interactions: Table, now: int) -> None:
    values = ItemStatistics.fit(interactions([]), 2, now).values
    assert values.shape == (2, len(NAMES))
    unknown = np.isin(NAMES, ("age_weeks", "season"))
    assert np.isnan(values[:, unknown]).all()
    assert np.isfinite(values[:, ~unknown]).all()
