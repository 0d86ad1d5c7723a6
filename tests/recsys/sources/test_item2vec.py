"""Item2Vec on vectors so few that products are done on paper."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from recsys.query import History, Query
from recsys.sources.item2vec import FADE_WEEKS, Item2Vec

Asked = Callable[..., Query]
Histories = Callable[..., History]
Make = Callable[..., Item2Vec]

# Items 1, 3, 5 and 6 have vectors; the first two point apart, the others are found beside one of them.
TAKEN = [[2.0, 0.0], [0.0, 5.0], [1.0, 1.0], [1.0, -1.0]]
BESIDE = [[0.5, 0.0], [0.0, 0.5], [3.0, 0.0], [0.0, 2.0]]
ITEMS = np.arange(8, dtype=np.int32)


@pytest.fixture
def source(item2vec: Make) -> Item2Vec:
    return item2vec(TAKEN, BESIDE, items=[1, 3, 5, 6])


def test_what_was_taken_counts_by_one_vector_and_what_is_found_by_the_other(
    source: Item2Vec, asked: Asked, history: Histories
) -> None:
    query = asked(history([(1, 0)]), 8)
    hits = source.retrieve(query, 2)
    assert (hits.items.tolist(), hits.scores.tolist()) == ([5, 1], [3.0, 0.5])
    assert source.score(query, ITEMS[[6, 1, 5]]).tolist() == [0.0, 0.5, 3.0]


def test_the_newer_of_two_items_weighs_more(source: Item2Vec, asked: Asked, history: Histories) -> None:
    weeks = 10.0
    query = asked(history([(3, 0), (1, weeks * 7)]), 8)
    faded = math.exp(-weeks / FADE_WEEKS)
    assert source.vector_of(query) == pytest.approx(np.array([faded, 1.0]) / math.hypot(faded, 1.0), rel=1e-6)
    # Of what is found beside the two, item 5 has the longer vector: with equal weights it comes first.
    assert source.retrieve(query, 1).items.tolist() == [6]
    assert source.retrieve(asked(history([(3, 0), (1, 0)]), 8), 1).items.tolist() == [5]


def test_what_was_taken_twice_weighs_twice_and_a_dislike_nothing(
    source: Item2Vec, asked: Asked, history: Histories
) -> None:
    query = asked(history([(1, 0), (1, 0), (3, 0), (6, 0, 0.0, True)]), 8)
    assert source.vector_of(query) == pytest.approx(np.array([2.0, 1.0]) / math.sqrt(5), rel=1e-6)


def test_items_without_a_vector_have_no_score_and_are_no_hits(
    source: Item2Vec, asked: Asked, history: Histories
) -> None:
    query = asked(history([(1, 0), (7, 0)]), 8)
    assert np.flatnonzero(np.isnan(source.score(query, ITEMS))).tolist() == [0, 2, 4, 7]
    assert sorted(source.retrieve(query, 8).items.tolist()) == [1, 3, 5, 6]


@pytest.mark.parametrize("taken", [[], [(0, 0), (7, 1), (900, 1)], [(1, 0, 0.0, True)]])
def test_a_history_of_nothing_known_or_liked_has_no_hits(
    source: Item2Vec, asked: Asked, history: Histories, taken: list[tuple[int, float]]
) -> None:
    query = asked(history(taken), 8, allowed=range(8)) if taken else asked(history([]), 8)
    assert len(source.retrieve(query, 8)) == 0
    assert np.isnan(source.score(query, ITEMS)).all()


def test_tastes_that_cancel_out_are_no_taste(item2vec: Make, asked: Asked, history: Histories) -> None:
    source = item2vec([[1.0, 0.0], [-1.0, 0.0]])
    assert len(source.retrieve(asked(history([(0, 0), (1, 0)]), 2), 2)) == 0
