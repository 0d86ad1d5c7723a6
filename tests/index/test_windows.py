from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.windows import Window, beginning_of, planned, sampled, span, truth_in, windows_before
from recsys.evaluation.truth import Truth
from recsys.interactions import Interactions

DAY = 86_400


def days(windows: tuple[Window, ...]) -> list[tuple[float, float]]:
    return [(window.start / DAY, window.end / DAY) for window in windows]


def test_windows_adjoin_the_newest_first() -> None:
    assert days(windows_before(200 * DAY, 0, horizon_days=28, count=3)) == [(172, 200), (144, 172), (116, 144)]


def test_a_window_has_at_least_its_own_length_of_past() -> None:
    assert days(windows_before(100 * DAY, 0, horizon_days=28, count=9)) == [(72, 100), (44, 72)]
    # 16 days would be left before the third.
    assert days(windows_before(112 * DAY, 0, horizon_days=28, count=9)) == [(84, 112), (56, 84), (28, 56)]


def test_short_data_gets_short_windows_down_to_a_day() -> None:
    assert days(windows_before(40 * DAY, 0, horizon_days=28, count=2)) == [(30, 40), (20, 30)]
    assert days(windows_before(3 * DAY, 0, horizon_days=28, count=2)) == [(2, 3), (1, 2)]


@pytest.mark.parametrize("length", [0, 1, DAY, 2 * DAY - 1])
def test_data_of_less_than_two_days_has_no_window(length: int) -> None:
    assert windows_before(1_000_000 + length, 1_000_000, horizon_days=28, count=4) == ()


def test_the_truth_holds_what_users_with_a_past_liked_in_the_window() -> None:
    table = Interactions.ordered(
        users=[0, 0, 0, 0, 0, 0, 1, 2, 2],
        items=[1, 2, 3, 4, 5, 6, 1, 1, 7],
        times=[50, 100, 199, 200, 150, 150, 150, 99, 150],
        weights=[1, 1, 1, 1, 0, 1, 1, 0.5, 1],
        targets=[1, 1, 1, 1, 1, 0, 1, 0, 1],
    )
    truth = truth_in(table, Window(100, 200), 10)
    # Not item 4 (the end), 5 (disliked), 6 (only viewed), nor user 1 (no past). A view is past enough for user 2.
    assert truth.users.tolist() == [0, 2]
    assert truth.items.tolist() == [2, 3, 7]


def test_a_sample_keeps_whole_users_and_is_the_same_for_the_same_seed() -> None:
    users = np.repeat(np.arange(50, dtype=np.int32), 2)
    truth = Truth.of(users, np.tile(np.array([3, 4], np.int32), 50), 9)
    part = sampled(truth, 10, 7)
    assert len(part) == 10
    assert (part.sizes == 2).all()
    assert part.users.tolist() == sampled(truth, 10, 7).users.tolist()
    assert sampled(truth, 50, 7) is truth


def test_the_span_is_said_in_days() -> None:
    assert span(windows_before(200 * DAY, 0, horizon_days=28, count=2)) == "2 of 28 days, 1970-05-25 to 1970-07-20"
    assert span(()) == "none"


def test_a_clock_that_was_wrong_does_not_make_a_log_old() -> None:
    times = 20_000 * DAY + np.arange(0, 150 * DAY, DAY // 4)
    assert beginning_of(times) == 20_000 * DAY
    spoilt = np.concatenate([times[::-1], [0, 5 * DAY]])
    assert beginning_of(spoilt) == 20_000 * DAY
    # A year's pause is one all the same where more than a hundredth lies before it, and months without events are none.
    assert beginning_of(np.concatenate([times, np.arange(10) * DAY])) == 0
    assert beginning_of(np.concatenate([times, [19_700 * DAY]])) == 19_700 * DAY
    assert beginning_of(np.array([7])) == 7


def test_one_event_without_a_time_leaves_the_windows_as_they_are() -> None:
    table = habits(100, 50, 120)
    later = replace(table, times=table.times + 20_000 * DAY)
    spoilt = replace(later, times=np.where(np.arange(len(later)) == len(later) - 1, 0, later.times))
    windows = [planned(events, 20_120 * DAY, 2, horizon_days=28, count=None) for events in (later, spoilt)]
    assert windows[0] == windows[1]
    assert len(windows[0]) > 4


def test_overlapping_windows_of_a_short_horizon_are_a_quarter_of_it_apart() -> None:
    day = 86_400
    windows = windows_before(100 * day, 0, horizon_days=2, count=5, per_window=4)
    assert [window.end for window in windows] == [100 * day - i * day // 2 for i in range(5)]
    assert all(window.end - window.start == 2 * day for window in windows)


def habits(n_users: int, n_new: int, n_days: int = 500) -> Interactions:
    """Everybody takes item 0 on every tenth day, and ``n_new`` of them something else in the last days."""
    days = np.arange(0, n_days, 10)
    users = np.concatenate([np.repeat(np.arange(n_users), len(days)), np.arange(n_new)])
    items = np.concatenate([np.zeros(n_users * len(days)), np.ones(n_new)])
    times = np.concatenate([np.tile(days, n_users), np.full(n_new, n_days - 1)]) * DAY
    ones = np.ones(len(users))
    return Interactions.ordered(users=users, items=items, times=times, weights=ones, targets=ones)


def count(n_users: int, n_new: int, n_days: int = 500) -> int:
    return len(planned(habits(n_users, n_new, n_days), n_days * DAY, 2, horizon_days=28, count=None))


def test_where_few_take_something_new_there_are_more_windows_to_learn_it_from() -> None:
    assert count(2_500, 2_500) == count(2_500, 1_000) == 4
    assert count(2_500, 600) == 7
    assert count(2_500, 10) == 12
    # Without anything new there is nothing to learn about it.
    assert count(2_500, 0) == 4


def test_the_windows_for_what_is_new_are_bounded_by_the_users_they_ask() -> None:
    assert count(5_000, 10) == 8
    assert count(10_500, 10) == 4


def test_a_log_too_short_for_more_windows_of_discoverers_has_those_that_adjoin() -> None:
    assert count(2_500, 600, n_days=170) == 5
