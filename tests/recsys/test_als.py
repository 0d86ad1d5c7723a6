from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from recsys.als import FADE_WEEKS, ItemFactors, faded, preference_weights
from recsys.query import History

RNG = np.random.default_rng(11)
FACTORS = RNG.normal(size=(30, 6)).astype(np.float32)


def by_full_normal_equations(items: list[int], preferences: list[float], regularisation: float, alpha: float) -> object:
    """x of the whole system, the confidence matrix written out: (YᵀCY + λI) x = YᵀCp."""
    y = FACTORS.astype(np.float64)
    confidence, preference = np.ones(len(y)), np.zeros(len(y))
    confidence[items] += alpha * np.array(preferences)
    preference[items] = 1.0
    left = y.T @ np.diag(confidence) @ y + regularisation * np.eye(y.shape[1])
    return np.linalg.solve(left, y.T @ np.diag(confidence) @ preference)


@pytest.mark.parametrize(("items", "preferences"), [([3], [0.7]), ([0, 12, 29], [1.5, 0.2, 3.0])])
def test_fold_in_solves_the_full_normal_equations(items: list[int], preferences: list[float]) -> None:
    model = ItemFactors.of(FACTORS, regularisation=2.5, alpha=4.0)
    vector = model.fold_in(np.array(items, np.int32), np.array(preferences, np.float32))
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, by_full_normal_equations(items, preferences, 2.5, 4.0), rtol=1e-5)


def test_fold_in_of_every_item_at_once_is_a_ridge_regression_on_ones() -> None:
    model = ItemFactors.of(FACTORS, regularisation=0.5, alpha=0.0)
    y = FACTORS.astype(np.float64)
    expected = np.linalg.solve(y.T @ y + 0.5 * np.eye(6), y.sum(axis=0))
    found = model.fold_in(np.arange(30, dtype=np.int32), np.ones(30, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_items_without_factors_teach_nothing() -> None:
    model = ItemFactors.of(np.vstack([FACTORS[:5], np.zeros((1, 6), np.float32)]), regularisation=1.0, alpha=2.0)
    known = model.fold_in(np.array([1], np.int32), np.array([1.0], np.float32))
    both = model.fold_in(np.array([1, 5], np.int32), np.array([1.0, 9.0], np.float32))
    np.testing.assert_array_equal(known, both)


def test_repeats_of_an_item_are_summed_and_dampened() -> None:
    items, preferences = preference_weights(np.array([4, 2, 4], np.int32), np.array([1.0, 0.5, 2.0]))
    assert items.tolist() == [2, 4]
    assert preferences == pytest.approx([math.log(1.5), math.log(4.0)])


def test_an_item_the_user_did_not_like_is_no_preference() -> None:
    items, preferences = preference_weights(np.array([4, 2, 4], np.int32), np.array([0.0, 0.0, 1.0]))
    assert items.tolist() == [4]
    assert preferences == pytest.approx([math.log(2.0)])


def test_an_interaction_fades_by_its_age(history: Callable[..., History], now: int) -> None:
    weights = faded(history([(0, 0, 3.0, True), (1, 7 * FADE_WEEKS, 3.0, True)]), now)
    assert weights == pytest.approx([3.0, 3.0 / math.e])
