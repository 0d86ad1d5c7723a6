"""The position-based model on lists whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from index.position_bias import PositionCurve, negatives

EXAMINED = np.array([1.0, 0.6, 0.45, 0.3, 0.2])
APPEAL = np.array([0.5, 0.35, 0.25, 0.15, 0.1, 0.05])


def lists(n_lists: int = 40_000, seed: int = 3) -> pl.DataFrame:
    """Placements of six items: mostly ordered by appeal, as a ranker would, and clicked by the model."""
    rng = np.random.default_rng(seed)
    orders = np.argsort(rng.normal(np.arange(6), 1.2, (n_lists, 6)), axis=1)[:, :5]
    clicked = rng.random(orders.shape) < EXAMINED * APPEAL[orders]
    return pl.DataFrame(
        {
            "request_id": [f"r{n}" for n in np.repeat(np.arange(n_lists), 5)],
            "item_id": [f"i{item}" for item in orders.ravel()],
            "user_id": [f"u{n}" for n in np.repeat(np.arange(n_lists), 5)],
            "time_us": np.repeat(np.arange(n_lists), 5) * 1_000_000,
            "position": np.tile(np.arange(1, 6, dtype=np.int32), n_lists),
            "serving_config": "home",
            "clicked": clicked.ravel(),
            "converted": False,
        }
    )


@pytest.fixture(scope="module")
def placements() -> pl.DataFrame:
    return lists()


@pytest.fixture
def nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String, "time_us": pl.Int64})


def test_where_people_look_is_told_from_what_appeals(placements: pl.DataFrame) -> None:
    """Click rates by position alone fall faster than attention does, since the better items stand first."""
    curve = PositionCurve.of(placements)
    assert np.abs(curve.examined - EXAMINED).max() < 0.04
    appeal = curve.appeal.sort("item_id")["appeal"].to_numpy()
    assert np.abs(appeal - APPEAL).max() < 0.03
    rates = placements.group_by("position").agg(pl.col("clicked").mean()).sort("position")["clicked"].to_numpy()
    assert np.abs(rates / rates[0] - EXAMINED).max() > 0.1


def test_weights_sum_to_what_does_not_appeal_at_every_position(placements: pl.DataFrame, nothing: pl.DataFrame) -> None:
    table = negatives(placements, nothing)
    shown = placements.group_by("item_id", "position").len("shown")
    sums = table.group_by("item_id", "position").agg(pl.col("weight").sum())
    share = shown.join(sums, on=["item_id", "position"]).filter(pl.col("shown") > 1000)
    assert share.height > 10
    expected = 1 - APPEAL[share["item_id"].str.strip_prefix("i").cast(pl.Int32).to_numpy()]
    assert np.abs(share["weight"].to_numpy() / share["shown"].to_numpy() - expected).max() < 0.06


def test_a_miss_far_down_says_less_of_an_appealing_item(placements: pl.DataFrame, nothing: pl.DataFrame) -> None:
    weights = negatives(placements, nothing).group_by("item_id", "position").agg(pl.col("weight").mean())
    best = weights.filter(pl.col("item_id") == "i0").sort("position")["weight"].to_list()
    assert best == sorted(best, reverse=True)
    assert best[0] > 0.99
    assert best[-1] < 0.65


def test_gaps_and_a_list_of_one_are_borne(nothing: pl.DataFrame) -> None:
    few = lists(3).filter(pl.col("position").is_in([2, 4]))
    curve = PositionCurve.of(few)
    assert np.isnan(curve.examined[[0, 2]]).all()
    assert curve.examined[1] == 1.0
    assert negatives(few, nothing)["weight"].is_finite().all()
    assert negatives(few.clear(), nothing).height == 0


def test_what_somebody_took_afterwards_is_no_negative(nothing: pl.DataFrame) -> None:
    few = lists(50)
    missed = negatives(few, nothing)
    first = missed.row(0, named=True)
    acted = pl.DataFrame({"user_id": [first["user_id"]], "item_id": [first["item_id"]], "time_us": [10**15]})
    assert negatives(few, acted).height == missed.height - 1
    assert negatives(few, acted.with_columns(time_us=pl.lit(-1, pl.Int64))).height == missed.height
