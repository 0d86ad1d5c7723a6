"""Intervals with known answers: constants, the normal approximation, how often the truth lies inside."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recsys.evaluation import bootstrap
from recsys.evaluation.bootstrap import Interval, differences, intervals


def normal(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def test_a_constant_difference_has_no_width() -> None:
    noise = normal(50)
    found = differences({"pipeline": noise + 0.25, "popular": noise}, "pipeline", np.arange(50))["popular"]
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25), abs=1e-12)
    assert found.excludes_zero
    # The mean of the same noise does have one: it is the pairing that takes it away.
    alone = intervals({"popular": noise}, np.arange(50))["popular"]
    assert alone.high - alone.low > 0.3


def test_a_list_has_no_difference_to_itself_and_the_sign_is_that_of_the_references_lead() -> None:
    worse, better = normal(80) - 1, normal(80, seed=2) + 1
    found = differences({"a": better, "b": worse, "c": better}, "a", np.arange(80))
    assert set(found) == {"b", "c"}
    assert (found["c"].mean, found["c"].low, found["c"].high) == (0, 0, 0)
    assert not found["c"].excludes_zero
    assert found["b"].mean == pytest.approx(float((better - worse).mean()))
    assert 0 < found["b"].low < found["b"].mean < found["b"].high


def test_the_interval_is_that_of_the_normal_approximation_where_that_holds() -> None:
    values = normal(2_000) * 3 + 7
    found = intervals({"x": values}, np.arange(2_000), n_resamples=4_000)["x"]
    half = 1.96 * float(values.std()) / math.sqrt(2_000)
    assert found.low == pytest.approx(float(values.mean()) - half, abs=0.1 * half)
    assert found.high == pytest.approx(float(values.mean()) + half, abs=0.1 * half)
    assert found.n_users == 2_000


def test_nineteen_intervals_of_twenty_hold_the_truth() -> None:
    worlds = [intervals({"x": normal(60, seed)}, np.arange(60), n_resamples=400)["x"] for seed in range(300)]
    share = np.mean([not found.excludes_zero for found in worlds])
    # 0.95 less what a percentile interval of 60 users is short of, and three standard errors of 300 worlds.
    assert 0.90 < share < 0.98


def test_a_skewed_mean_has_a_skewed_interval() -> None:
    # Three of a hundred users have a hit: the number of hits drawn is binomial, its 2.5 % and 97.5 % are 0 and 7.
    hits = np.zeros(100)
    hits[:3] = 1
    found = intervals({"hit": hits}, np.arange(100), n_resamples=20_000)["hit"]
    assert (found.mean, found.low, found.high) == pytest.approx((0.03, 0.0, 0.07), abs=1e-12)


def test_a_user_comes_with_all_their_rows() -> None:
    # 50 users, each scored in four windows with the same value: four times the rows, and not one user more.
    values = normal(50)
    once = intervals({"x": values}, np.arange(50))["x"]
    users = np.array([f"user {user}" for user in np.repeat(np.arange(50), 4)])
    repeated = intervals({"x": np.repeat(values, 4)}, users)["x"]
    # Resamples are drawn by position, and names sort in another order than numbers: equal in distribution only.
    assert repeated.mean == pytest.approx(once.mean)
    assert repeated.high - repeated.low == pytest.approx(once.high - once.low, rel=0.1)
    assert repeated.n_users == 50
    as_if_strangers = intervals({"x": np.repeat(values, 4)}, np.arange(200))["x"]
    assert as_if_strangers.high - as_if_strangers.low < 0.6 * (once.high - once.low)


def test_the_mean_is_over_rows_where_users_have_different_numbers_of_them() -> None:
    found = intervals({"x": np.array([1.0, 1.0, 1.0, 0.0])}, np.array([7, 7, 7, 3]))["x"]
    assert found.mean == 0.75
    # Two users: both of one (0 or 1) in half of the resamples, one of each in the other half.
    assert (found.low, found.high, found.n_users) == (0.0, 1.0, 2)


@pytest.mark.parametrize(("n_users", "mean"), [(1, 0.5), (0, math.nan)])
def test_one_user_or_none_has_no_interval(n_users: int, mean: float) -> None:
    found = intervals({"x": np.full(n_users, 0.5)}, np.arange(n_users))["x"]
    assert found.mean == pytest.approx(mean, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.n_users == n_users
    assert not found.excludes_zero


def test_no_columns_no_intervals() -> None:
    assert intervals({}, np.arange(3)) == {}
    assert differences({"only": normal(3)}, "only", np.arange(3)) == {}


def test_equal_seeds_draw_equal_users_for_every_column_and_whatever_is_drawn_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, users = normal(40), np.arange(40)
    first = intervals({"x": values, "twice": 2 * values}, users)
    assert first == intervals({"x": values, "twice": 2 * values}, users)
    assert first["twice"].low == pytest.approx(2 * first["x"].low)
    assert intervals({"x": values}, users)["x"].low == pytest.approx(first["x"].low)
    assert intervals({"x": values}, users, seed=1)["x"] != first["x"]
    monkeypatch.setattr(bootstrap, "_CELLS", 130)
    assert intervals({"x": values}, users)["x"].low == pytest.approx(first["x"].low)


@pytest.mark.parametrize(
    ("low", "high", "excludes"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0.0, 0.1, False)]
)
def test_zero_on_the_bound_is_inside(low: float, high: float, excludes: bool) -> None:
    assert Interval(0.0, low, high, 9).excludes_zero is excludes
