"""What stages cost: a high quantile of what was measured lately, which a stall hardly moves and time wears off."""

from __future__ import annotations

import numpy as np
import pytest

from server.costs import HALF_LIFE_S, QUANTILE, Costs


class Clock:
    """A monotonic clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_what_was_never_measured_costs_nothing() -> None:
    costs = Costs()
    costs.learn("other", 5.0)

    assert costs.expected_s("rank", 300) == 0.0


def test_equal_measurements_are_the_expectation_by_the_unit() -> None:
    costs = Costs(Clock())
    for n_units in (10, 300, 7):
        costs.learn("rank", 0.5 * n_units, n_units)

    assert costs.expected_s("rank", 4) == pytest.approx(2.0)


@pytest.mark.parametrize("first", [1e-6, 10.0])
def test_some_nine_of_ten_measurements_stay_below_the_expectation_wherever_it_began(first: float) -> None:
    costs, rng = Costs(Clock()), np.random.default_rng(3)
    costs.learn("rank", first)
    measured = rng.lognormal(mean=-5, sigma=0.5, size=6000).tolist()
    below = []
    for seconds in measured:
        below.append(seconds <= costs.expected_s("rank"))
        costs.learn("rank", seconds)

    assert np.mean(below[3000:]) == pytest.approx(QUANTILE, abs=0.05)


def test_one_stall_raises_it_by_a_quarter_and_lasting_slowness_is_followed() -> None:
    costs = Costs(Clock())
    for _ in range(50):
        costs.learn("rank", 0.01)
    costs.learn("rank", 9.0)
    assert 0.011 < costs.expected_s("rank") < 0.0128

    for _ in range(15):
        costs.learn("rank", 0.1)
    assert costs.expected_s("rank") == pytest.approx(0.1)


def test_what_is_not_measured_any_more_wears_off_so_that_it_is_tried_again() -> None:
    clock = Clock()
    costs = Costs(clock)
    costs.learn("rank", 8.0)

    clock.s += 3 * HALF_LIFE_S

    assert costs.expected_s("rank") == pytest.approx(1.0)


def test_what_has_worn_off_is_learnt_again_at_once_be_it_a_stall_or_a_quiet_night() -> None:
    clock = Clock()
    costs = Costs(clock)
    costs.learn("stalled", 240.0)
    costs.learn("quiet", 0.01)
    clock.s += 20 * HALF_LIFE_S

    costs.learn("stalled", 0.02)
    costs.learn("quiet", 0.011)

    assert costs.expected_s("stalled") == pytest.approx(0.02)
    assert costs.expected_s("quiet") == pytest.approx(0.011)


def test_a_cold_start_is_soon_forgotten() -> None:
    costs = Costs(Clock())
    for seconds in (1.5, *[0.01] * 8):
        costs.learn("rank", seconds)
    assert costs.expected_s("rank") == pytest.approx(0.01)


def test_a_process_that_is_warm_forgets_slowly() -> None:
    costs = Costs(Clock())
    for seconds in (*[1.0] * 10, *[0.01] * 8):
        costs.learn("rank", seconds)
    assert costs.expected_s("rank") > 0.8
