"""The study of objectives: grades, weights and groups of a lesson, by hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.frames import Frame
from index.heads import Head, Recipe
from index.labelled import Labelled
from index.windows import Window
from recsys.arrays import frozen
from recsys.evaluation.truth import Truth
from recsys.interactions import Interactions

sys.path.insert(0, str(Path(__file__).parent))  # the scripts of a folder find each other there when they are run

import objectives as study

N_ITEMS, WEEK = 10, 604_800
QUICK = Recipe("quick", n_trees=12, n_leaves=4, learning_rate=0.2, least_rows_in_leaf=5)
HEAD = Head("home", "all", new_only=False, negatives=1.0, recipes=(QUICK,))


def labelled(start: int, n_users: int, *, seed: int) -> Labelled:
    """Everyone is shown all items, and takes those whose feature is above the others'."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(n_users), N_ITEMS)
    items = np.tile(np.arange(N_ITEMS), n_users).astype(np.int32)
    known = rng.random(len(query)).astype(np.float32)
    labels = known > 0.8
    users = frozen(query + 100, np.int32)
    frame = Frame(np.stack([known, rng.random(len(query))], 1).astype(np.float32), labels, labels, query, items)
    truth = Truth.of(frozen(users[labels], np.int32), frozen(items[labels], np.int32), N_ITEMS)
    asked = Truth.of(users, frozen(items, np.int32), N_ITEMS)
    return Labelled(Window(start, start + WEEK), asked, {"all": truth}, frame, True, names=("known", "noise"))


def taken(windows: list[Labelled], times: int) -> Interactions:
    """What the windows say, every pair ``times`` times; the item 0 once only, and a dislike that is no grade."""
    users, items, at, weights = [], [], [], []
    for window in windows:
        truth = window.truths["all"]
        for user, item in zip(np.repeat(truth.users, truth.sizes).tolist(), truth.items.tolist(), strict=True):
            repeats = 1 if item == 0 else times
            users += [user] * (repeats + 1)
            items += [item] * (repeats + 1)
            at += [window.window.start + position for position in range(repeats + 1)]
            weights += [1.0] * repeats + [0.0]
    return Interactions.ordered(
        users=users, items=items, times=at, weights=np.array(weights), targets=np.ones(len(users), bool)
    )


@pytest.mark.parametrize(("times", "grade"), [(2, 2), (9, study.MOST_GRADE)])
def test_a_grade_is_how_often_and_users_weigh_alike(times: int, grade: int) -> None:
    windows = [labelled(5 * WEEK, 60, seed=1), labelled(4 * WEEK, 60, seed=2)]
    lesson = study.lesson_of(HEAD, windows, taken(windows, times), N_ITEMS)
    assert lesson is not None
    positive, first = lesson.sample.labels, lesson.sample.items == 0
    assert set(lesson.grades[~positive]) == {0}
    assert set(lesson.grades[positive & first]) == {1}
    assert set(lesson.grades[positive & ~first]) == {grade}
    # Both windows have users of the same numbers: they stay queries of their own.
    groups = np.unique(lesson.sample.query)
    assert len(groups) > 60
    for query in groups:
        mine = lesson.sample.query == query
        assert np.allclose(lesson.weights[mine & positive].sum(), 1.0)


def test_every_way_finds_what_there_is_to_find() -> None:
    windows = [labelled(day * WEEK, 80, seed=day) for day in (6, 5, 4)]
    told = study.compared(HEAD, windows, taken(windows, 2), N_ITEMS)
    assert list(told) == list(study.WAYS)
    assert all(figures["ndcg@10"] > 0.9 for figures in told.values())
    assert all(figures["windows"] == 2 for figures in told.values())
    assert "low" not in told[study.REFERENCE]
    assert all(f["low"] <= f["minus binary"] <= f["high"] for way, f in told.items() if way != study.REFERENCE)


def test_nothing_is_compared_where_nothing_can_be_trained() -> None:
    windows = [replace(labelled(6 * WEEK, 80, seed=1), whole=False), labelled(5 * WEEK, 80, seed=2)]
    assert study.compared(HEAD, windows, taken(windows, 1), N_ITEMS) == {}
