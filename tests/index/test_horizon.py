from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from index.horizon import HORIZONS_DAYS, horizon_days

DAY = 86_400


def log(items: np.ndarray, days: np.ndarray, kind: str = "read") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": "u",
            "item_id": [f"i{item}" for item in items],
            "event_type": kind,
            "time": (days * DAY).astype(int),
        }
    )


def short_lives(life_days: float, n_days: int = 100, per_day: int = 10) -> pl.DataFrame:
    """An item a day, taken evenly for ``life_days``."""
    items = np.repeat(np.arange(n_days), per_day)
    ages = np.tile(np.linspace(0, life_days, per_day), n_days)
    return log(items, items + ages)


def test_things_that_last_are_predicted_four_weeks_ahead() -> None:
    days = np.arange(0, 100, 0.25)
    assert horizon_days(log(np.arange(len(days)) % 7, days), ["read"])[0] == 28


@pytest.mark.parametrize(("life_days", "expected"), [(0.5, 1), (2.0, 1), (4.0, 3), (60.0, 28)])
def test_what_lives_short_is_predicted_less_far_ahead(life_days: float, expected: int) -> None:
    assert horizon_days(short_lives(life_days), ["read"])[0] == expected


def test_a_share_is_that_of_the_moments_a_window_can_begin_at() -> None:
    # The second half: item 0 at an age of 30 and of 60 days, item 1 new and at an age of 7.
    table = log(np.array([0, 0, 0, 1, 1]), np.array([0.0, 30.0, 60.0, 45.0, 52.0]))
    found, known, a_day = horizon_days(table, ["read"])
    assert found == 28
    assert known == pytest.approx((1 + 1 + 0 + 7 / 28) / 4)
    assert a_day == pytest.approx((1 + 1 + 0 + 1) / 4)


def test_rare_things_shorten_nothing() -> None:
    days = np.arange(0, 100, 0.25)
    once = np.arange(len(days))
    items = np.where(once % 10 == 0, 0, once + 1)
    assert horizon_days(log(items, days), ["read"])[0] == HORIZONS_DAYS[0]


def test_a_view_makes_an_item_known_and_only_what_is_predicted_is_judged() -> None:
    views = log(np.arange(10), np.zeros(10), kind="view")
    bought = log(np.arange(10), np.full(10, 60.0), kind="purchase")
    assert horizon_days(pl.concat([views, bought]), ["purchase"]) == (28, 1.0, 1.0)


def test_without_anything_to_predict_the_horizon_is_the_usual_one() -> None:
    assert horizon_days(log(np.arange(3), np.arange(3)), ["purchase"]) == (28, 1.0, 1.0)


@pytest.mark.parametrize("n_days", [0, 1, 14, 40])
def test_a_short_log_of_things_that_last_shortens_nothing(n_days: int) -> None:
    days = np.linspace(0, n_days, 200)
    assert horizon_days(log(np.arange(200) % 7, days), ["read"])[0] == 28


def test_a_short_log_of_things_that_do_not_last_does() -> None:
    assert horizon_days(short_lives(2.0, n_days=30), ["read"])[0] == 1
