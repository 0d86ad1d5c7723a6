from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.heads import BINARY, LAMBDARANK, Mean, Recipe, train
from index.mean_forest import mean_forest
from recsys.ranker import Forest
from tests.index.test_heads import NAMES, frame_of

QUICK = Recipe("quick", n_trees=20, n_leaves=7, learning_rate=0.2, least_rows_in_leaf=20, feature_fraction=1.0)
OTHERS = (replace(QUICK, random_splits=True), replace(QUICK, n_trees=9, objective=LAMBDARANK))


@pytest.fixture(scope="module")
def forests() -> list[Forest]:
    sample = frame_of(120, 20)
    return [train(recipe, sample, seed=3) for recipe in (QUICK, *OTHERS)]


@pytest.mark.parametrize("n", [2, 3])
def test_it_scores_the_mean_of_the_others_scores(forests: list[Forest], n: int) -> None:
    rows = frame_of(40, 20, 9).features
    rows[::7, 0] = np.nan
    expected = np.mean([forest.score(rows) for forest in forests[:n]], axis=0)
    np.testing.assert_allclose(mean_forest(forests[:n]).score(rows), expected, rtol=1e-12)


def test_what_features_add_is_the_mean_of_what_they_add_to_the_others(forests: list[Forest]) -> None:
    rows = frame_of(5, 20, 9).features
    mean = mean_forest(forests)
    expected = np.mean([forest.contributions(rows) for forest in forests], axis=0)
    np.testing.assert_allclose(mean.contributions(rows), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mean.contributions(rows).sum(axis=1), mean.score(rows), atol=1e-9)


def test_it_is_read_again_from_its_text(forests: list[Forest]) -> None:
    rows = frame_of(5, 20, 9).features
    mean = mean_forest(forests)
    assert Forest.of_text(mean.text, NAMES).score(rows).tobytes() == mean.score(rows).tobytes()
    assert mean.booster.num_trees() == 49


def test_the_mean_of_one_is_that_one(forests: list[Forest]) -> None:
    assert mean_forest(forests[:1]) is forests[0]


def test_training_by_a_mean_grows_each_part_on_the_same_rows() -> None:
    sample, rows = frame_of(120, 20), frame_of(40, 20, 9).features
    parts = (QUICK, replace(QUICK, random_splits=True))
    assert QUICK.objective == BINARY
    expected = np.mean([train(part, sample, seed=5).score(rows) for part in parts], axis=0)
    np.testing.assert_allclose(train(Mean("both", parts), sample, seed=5).score(rows), expected, rtol=1e-12)
