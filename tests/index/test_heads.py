from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from index.frames import Frame
from index.heads import (
    HEADS,
    OBJECTIVES,
    Head,
    Mean,
    Recipe,
    n_rows_by_query,
    rows_of,
    sample_of,
    top_lists,
    train,
    trained,
    with_positives,
)
from recsys.ranker import Forest

QUICK = Recipe("quick", n_trees=20, n_leaves=7, learning_rate=0.2, least_rows_in_leaf=20, feature_fraction=1.0)
HOME = Head("home", "all", new_only=False, negatives=0.5, recipes=(QUICK,))
DISCOVER = Head("new", "novel", new_only=True, negatives=1.0, recipes=(QUICK,))
NAMES = ("right", "noise", "a name with {marks}")


def frame_of(n_queries: int, per_query: int, seed: int = 0) -> Frame:
    """Labels follow the first feature."""
    rng = np.random.default_rng(seed)
    n = n_queries * per_query
    features = rng.normal(size=(n, 3)).astype(np.float32)
    return Frame(
        features=features,
        labels=features[:, 0] + 0.3 * rng.normal(size=n) > 0.8,
        new=rng.random(n) < 0.5,
        query=np.repeat(np.arange(n_queries), per_query),
        items=np.tile(np.arange(per_query, dtype=np.int32), n_queries),
    )


def grown() -> Forest:
    sample = sample_of(HOME, [frame_of(80, 20), frame_of(80, 20, 1)], seed=3)
    assert sample is not None
    return train(QUICK, sample, seed=3)


@pytest.fixture(scope="module")
def forest() -> Forest:
    return grown()


def test_a_head_learns_what_decides(forest: Forest) -> None:
    test = frame_of(50, 20, 9)
    scores = forest.score(test.features)
    assert scores[test.labels].mean() > scores[~test.labels].mean() + 1.0


def test_a_head_reads_the_same_as_text(forest: Forest) -> None:
    features = frame_of(5, 20, 8).features
    again = Forest.of_text(forest.text, NAMES)
    assert again.score(features).tobytes() == forest.score(features).tobytes()


def test_training_again_gives_the_same_forest(forest: Forest) -> None:
    again = grown()
    features = frame_of(5, 20, 8).features
    assert again.score(features).tobytes() == forest.score(features).tobytes()


@pytest.mark.parametrize(("n_queries", "per_query"), [(29, 300), (60, 4)])
def test_too_few_queries_or_positives_train_nothing(n_queries: int, per_query: int) -> None:
    assert sample_of(HOME, [frame_of(n_queries, per_query)], seed=3) is None


def test_a_head_for_new_items_looks_at_nothing_else() -> None:
    frame = frame_of(4, 10)
    assert rows_of(DISCOVER, frame).new.all()
    assert len(rows_of(DISCOVER, frame)) == frame.new.sum()
    assert rows_of(HOME, frame) is frame


def test_heads_are_named_by_the_serving_configs_they_rank() -> None:
    assert [(head.name, head.task, head.new_only) for head in HEADS] == [
        ("home", "all", False),
        ("discover", "novel", True),
    ]
    assert all(head.recipes[-1].name == "small" for head in HEADS)


def test_queries_without_a_positive_teach_nothing() -> None:
    frame = frame_of(3, 4)
    labels = np.zeros(12, bool)
    labels[[5, 6]] = True
    every = np.ones(12, bool)
    assert np.flatnonzero(with_positives(replace(frame, labels=labels), every)).tolist() == [4, 5, 6, 7]
    assert not with_positives(replace(frame, labels=np.zeros(12, bool)), every).any()
    without = every.copy()
    without[[5, 7]] = False
    assert np.flatnonzero(with_positives(replace(frame, labels=labels), without)).tolist() == [4, 6]
    without[6] = False
    assert not with_positives(replace(frame, labels=labels), without).any()


def test_a_small_sample_keeps_every_negative_and_a_large_one_the_heads_share(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [frame_of(80, 20), frame_of(80, 20, 1)]
    rows = [frame.where(with_positives(frame, np.ones(len(frame), bool))) for frame in frames]
    n_rows, n_positives = sum(map(len, rows)), sum(int(part.labels.sum()) for part in rows)
    few = sample_of(HOME, frames, seed=3)
    monkeypatch.setattr("index.heads.FEW_ROWS", 100)
    many = sample_of(HOME, frames, seed=3)
    assert few is not None
    assert many is not None
    assert (len(few), few.kept) == (n_rows, 1.0)
    assert many.kept == HOME.negatives
    assert many.labels.sum() == few.labels.sum() == n_positives
    assert 0.4 < (len(many) - n_positives) / (n_rows - n_positives) < 0.6


def test_a_sample_of_new_items_is_what_drawing_from_copies_of_the_rows_would_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("index.heads.FEW_ROWS", 100)
    frames = [frame_of(80, 20), frame_of(80, 20, 1).thinned(0.7, np.random.default_rng(4))]
    head = replace(DISCOVER, negatives=0.3)
    sample = sample_of(head, frames, seed=3)
    rng = np.random.default_rng(3)
    rows = [rows_of(head, frame) for frame in frames]
    rows = [part.where(with_positives(part, np.ones(len(part), bool))) for part in rows]
    expected = Frame.concatenate([part.thinned(0.3, rng) for part in rows])
    assert sample is not None
    assert sample.features.tobytes() == expected.features.tobytes()
    assert sample.query.tolist() == expected.query.tolist()
    assert (sample.kept, sample.new.all()) == (0.3, True)


def test_rows_that_were_thinned_before_count_for_all_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.heads.FEW_ROWS", 2_000)
    thin = frame_of(200, 20).thinned(0.5, np.random.default_rng(0))
    sample = sample_of(HOME, [thin], seed=3)
    assert sample is not None
    # About 2,700 rows are here and stand for 4,000 or more, of which the share of FEW_ROWS is below the head's own.
    assert sample.kept == 0.5
    assert len(sample) == with_positives(thin, np.ones(len(thin), bool)).sum()


def test_top_lists_are_best_first_with_ties_by_item_and_holes_at_the_end() -> None:
    frame = Frame(
        features=np.zeros((6, 1), np.float32),
        labels=np.zeros(6, bool),
        new=np.ones(6, bool),
        query=np.array([0, 0, 0, 0, 2, 2]),
        items=np.array([3, 5, 8, 9, 4, 1], np.int32),
    )
    lists = top_lists(frame, np.array([0.1, 0.9, 0.9, 0.5, 0.2, 0.2]), 3, 3)
    assert lists.tolist() == [[5, 8, 9], [-1, -1, -1], [1, 4, -1]]
    assert lists.dtype == np.int32


def test_a_ranked_forest_orders_as_well_and_its_scores_are_log_odds() -> None:
    sample = sample_of(HOME, [frame_of(80, 20), frame_of(80, 20, 1)], seed=3)
    assert sample is not None
    binary, ranked = (train(replace(QUICK, objective=objective), sample, seed=3) for objective in OBJECTIVES)
    scores = {name: forest.score(sample.features) for name, forest in (("binary", binary), ("ranked", ranked))}
    order = {name: np.corrcoef(values, sample.labels)[0, 1] for name, values in scores.items()}
    assert order["ranked"] > 0.8 * order["binary"] > 0.2
    # Another e times the odds for another 1 of score: a logistic model of the scores has the slope 1.
    slope = LogisticRegression(C=1e6).fit(scores["ranked"][:, None], sample.labels).coef_[0, 0]
    assert slope == pytest.approx(1.0, abs=0.02)
    assert Forest.of_text(ranked.text, ["f"] * sample.features.shape[1]).score(sample.features) == pytest.approx(
        scores["ranked"]
    )


def test_thresholds_drawn_at_random_are_others_each_seed_and_still_learn() -> None:
    sample, test = frame_of(80, 20), frame_of(50, 20, 9)
    recipe = replace(QUICK, random_splits=True)
    one, again, other = (train(recipe, sample, seed=seed) for seed in (3, 3, 4))
    assert one.text == again.text
    searched, drawn, redrawn = (
        forest.booster.dump_model()["tree_info"][0]["tree_structure"]["threshold"]
        for forest in (train(QUICK, sample, seed=3), one, other)
    )
    assert len({searched, drawn, redrawn}) == 3
    scores = one.score(test.features)
    assert scores[test.labels].mean() > scores[~test.labels].mean() + 1.0


def test_queries_of_one_number_in_two_windows_are_two() -> None:
    frame = frame_of(3, 4)
    assert n_rows_by_query(Frame.concatenate([frame, frame])).tolist() == [4] * 6
    assert n_rows_by_query(frame.where(np.zeros(12, bool))).tolist() == []


def test_forests_grown_at_once_are_those_grown_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, rows = frame_of(120, 20), frame_of(10, 20, 9).features
    other = replace(QUICK, random_splits=True)
    mean = Mean("both", (QUICK, other))
    one_by_one = [train(recipe, sample, seed=3) for recipe in (QUICK, other, mean)]
    monkeypatch.setattr("index.at_once.n_cores", lambda: 2)
    at_once = trained([QUICK, other, mean], sample, seed=3)
    for one, same in zip(one_by_one, at_once, strict=True):
        assert one.score(rows).tobytes() == same.score(rows).tobytes()
