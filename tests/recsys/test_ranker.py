from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from recsys.errors import SnapshotCorrupt
from recsys.ranker import Forest, RankFusion

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def forest() -> Forest:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 3)).astype(np.float32)
    labels = features.sum(axis=1) + rng.normal(size=300) > 0
    data = lgb.Dataset(features, labels.astype(np.float32))
    return Forest(lgb.train({"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5}, data, 5))


def test_fusion_adds_reciprocal_ranks_counted_from_one() -> None:
    nan = np.nan
    features = np.array([[7, 0, 0], [7, 4, nan], [7, nan, 9], [7, nan, nan]], np.float32)
    expected = [2 / 61, 1 / 65, 1 / 70, 0.0]
    assert RankFusion((1, 2)).score(features) == pytest.approx(expected, rel=1e-12)
    assert RankFusion((1, 2)).score(features[:0]).shape == (0,)


def test_a_forest_scores_the_same_after_its_text_was_stored(forest: Forest) -> None:
    features = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    features[::7, 1] = np.nan
    again = Forest.of_text(forest.text, NAMES)
    assert again.score(features).tobytes() == forest.score(features).tobytes()
    assert len(set(forest.score(features).tolist())) > 5


def test_a_row_alone_scores_what_it_scores_among_others(forest: Forest) -> None:
    features = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)
    alone = [float(forest.score(row[None])[0]) for row in features]
    assert forest.score(features).tolist() == alone


def test_no_rows_score_nothing(forest: Forest) -> None:
    assert forest.score(np.empty((0, 3), np.float32)).shape == (0,)


def test_a_forest_over_another_number_of_features_is_refused(forest: Forest) -> None:
    with pytest.raises(SnapshotCorrupt, match="3 features, not 4"):
        Forest.of_text(forest.text, (*NAMES, "d"))


@pytest.mark.parametrize("text", ["", "no forest at all", "tree\nversion=v4\nnum_class=x\n"])
def test_text_that_is_no_forest_is_refused(text: str) -> None:
    with pytest.raises(SnapshotCorrupt, match="cannot be parsed"):
        Forest.of_text(text, NAMES)
