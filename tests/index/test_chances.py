from __future__ import annotations

import math

import numpy as np

from index.chances import PRIOR_TAKEN, PRIOR_USERS, SPANS_WEEKS, first_rows, weekly_chances, weeks_back
from recsys.interactions import Interactions

NOW, WEEK = 1_500_000_000, 7 * 86_400


def table_of(rows: list[tuple[int, int, float]], **columns: object) -> Interactions:
    """Of (user, item, weeks before NOW)."""
    users, items, weeks = zip(*rows, strict=True)
    plain = {"weights": np.ones(len(rows)), "targets": np.ones(len(rows), bool)}
    times = [NOW - round(week * WEEK) for week in weeks]
    return Interactions.ordered(users=users, items=items, times=times, **{**plain, **columns})


def log_chance(taken: int, could: float) -> float:
    return math.log((taken + PRIOR_TAKEN) / (could + PRIOR_USERS))


def test_the_first_positive_of_each_pair_counts() -> None:
    table = table_of(
        [(0, 1, 5), (0, 1, 2), (0, 2, 3), (1, 1, 9), (1, 1, 8), (1, 1, 7)],
        weights=[1, 1, 1, 0, 1, 1],
        targets=[True, True, True, True, False, True],
    )
    rows = first_rows(table, 4)
    weeks = (NOW - table.times[rows]) // WEEK
    found = sorted(zip(table.users[rows].tolist(), table.items[rows].tolist(), weeks.tolist(), strict=True))
    # A dislike and a look are no taking.
    assert found == [(0, 1, 5), (0, 2, 3), (1, 1, 7)]
    assert (np.diff(rows) > 0).all()


def test_a_moment_is_told_only_of_weeks_that_had_ended() -> None:
    times = NOW - np.array([0, 1, WEEK - 1, WEEK, WEEK + 1, 2 * WEEK])
    assert weeks_back(times, NOW).tolist() == [0, 1, 1, 1, 2, 2]


def test_chances_count_first_takings_of_those_who_could() -> None:
    # Item 0: taken 1, 3, 6 and 20 weeks ago by four users; user 4 is only ever after item 1, half a week ago.
    table = table_of([(0, 0, 0.5), (1, 0, 2.5), (2, 0, 5.5), (3, 0, 19.5), (4, 1, 0.5), (0, 0, 0.2)])
    chances = weekly_chances(table, first_rows(table, 3), 5, 3, at=NOW, n_weeks=3)
    assert chances.shape == (4, 3, len(SPANS_WEEKS))
    assert chances.dtype == np.float32
    # Now. Four weeks: users 0, 1, 4 were active; all but 2 % of them might own it, as four users do.
    np.testing.assert_allclose(chances[0, 0, 0], log_chance(2, 1.0), rtol=1e-5)
    np.testing.assert_allclose(chances[0, 0, 1], log_chance(3, 1.0), rtol=1e-5)
    np.testing.assert_allclose(chances[0, 0, 2], log_chance(4, 1.0), rtol=1e-5)
    # Item 1: of three active in four weeks one owns it; of five ever.
    np.testing.assert_allclose(chances[0, 1], [log_chance(1, 2), log_chance(1, 3), log_chance(1, 4)], rtol=1e-5)
    np.testing.assert_allclose(chances[0, 2], [log_chance(0, 3), log_chance(0, 4), log_chance(0, 5)], rtol=1e-5)
    # A week ago nobody had item 1, and user 4 had not been seen.
    np.testing.assert_allclose(chances[1, 1], [log_chance(0, 1), log_chance(0, 2), log_chance(0, 3)], rtol=1e-5)


def test_what_happens_after_a_week_changes_nothing_of_it() -> None:
    past = [(0, 0, 3.5), (1, 1, 2.5), (2, 0, 9.0)]
    before = table_of(past)
    after = table_of([*past, (3, 1, 1.5), (0, 1, 0.5), (2, 2, 0.1)])
    one, other = (weekly_chances(t, first_rows(t, 3), 4, 3, at=NOW, n_weeks=4) for t in (before, after))
    assert one[2:].tobytes() == other[2:].tobytes()
    assert one[1].tobytes() != other[1].tobytes()
