"""Item and user neighbours on tables so small that sums are done on paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.query import History, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sources.item_neighbours import MOST_RECENT, ItemNeighbours, latest
from recsys.sources.user_neighbours import N_NEAR, UserNeighbours
from recsys.sparse import SparseTable

Asked = Callable[..., Query]
Histories = Callable[..., History]
Sparse = Callable[..., SparseTable]

#        to item 0    1    2    3
BESIDE = [[0.0, 0.5, 0.2, 0.0], [0.5, 0.0, 0.0, 0.1], [0.2, 0.0, 0.0, 0.0], [0.0, 0.1, 0.0, 0.0]]
# Users 7, 8 and 9 are pooled. How a preference for each of 4 items speaks for each of them, and what each took lately.
TAKERS = [[0.6, 0.0, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
LATELY = [[1, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]]
ITEMS = np.arange(4, dtype=np.int32)


def test_neighbours_are_weighed_by_preference(sparse: Sparse, asked: Asked, history: Histories) -> None:
    source = ItemNeighbours(sparse(BESIDE), "item-knn")
    query = asked(history([(0, 0), (0, 0), (1, 40 * 7)]), 4)
    twice, faded = math.log(3), math.log1p(1 / math.e)
    expected = [0.5 * faded, 0.5 * twice, 0.2 * twice, 0.1 * faded]
    assert source.score(query, ITEMS) == pytest.approx(expected, rel=1e-6)
    hits = source.retrieve(query, 3)
    assert hits.items.tolist() == [1, 2, 0]
    assert hits.scores == pytest.approx([expected[1], expected[2], expected[0]], rel=1e-6)


def test_what_comes_next_goes_by_the_last_items_not_by_the_dearest(
    sparse: Sparse, asked: Asked, history: Histories
) -> None:
    source = ItemNeighbours(sparse(BESIDE), "next", recent=True)
    # Item 1 came last, item 0 before it, and often.
    query = asked(history([(1, 1), (0, 2), (0, 3), (0, 4)]), 4)
    assert source.score(query, ITEMS) == pytest.approx([0.5, 0.5 / 2, 0.2 / 2, 0.1], rel=1e-6)


def test_the_latest_are_distinct_liked_and_few(history: Histories) -> None:
    taken = [(3, 1), (5, 2, 0.0, True), (3, 3), (4, 4, 0.5, False)] + [(10 + n, 5 + n) for n in range(20)]
    items, weights = latest(history(taken))
    assert items.tolist() == [3, 4, *range(10, 10 + MOST_RECENT - 2)]
    assert weights == pytest.approx([1 / place for place in range(1, MOST_RECENT + 1)])


def test_items_without_neighbours_give_nothing(sparse: Sparse, asked: Asked, history: Histories) -> None:
    source = ItemNeighbours(sparse(np.diag([0.0, 0.0, 1.0, 0.0])), "item-knn")
    query = asked(history([(0, 1)]), 4)
    assert len(source.retrieve(query, 3)) == 0
    assert source.score(query, ITEMS).tolist() == [0, 0, 0, 0]


def neighbours(sparse: Sparse) -> UserNeighbours:
    return UserNeighbours(sparse(TAKERS), sparse(LATELY), frozen([7, 8, 9], np.int32))


def test_users_count_as_much_as_they_are_alike(sparse: Sparse, asked: Asked, history: Histories) -> None:
    query = asked(history([(0, 0), (1, 0), (1, 0), (1, 0)]), 4)
    once, thrice = math.log(2), math.log(4)
    first, second = 0.6 * once + 0.8 * thrice, thrice
    total = first + second  # the third user shares nothing
    scores = neighbours(sparse).score(query, ITEMS)
    assert scores == pytest.approx([first / total, 0, second / total, second / total], rel=1e-6)
    assert neighbours(sparse).retrieve(query, 3).items.tolist() == sorted([0, 2, 3], key=lambda i: (-scores[i], i))


def test_nobody_is_a_neighbour_of_their_own(sparse: Sparse, asked: Asked, history: Histories) -> None:
    taken = history([(0, 0), (1, 0)])
    assert neighbours(sparse).score(asked(taken, 4, user=7), ITEMS) == pytest.approx([0, 0, 1, 1])
    assert neighbours(sparse).score(asked(taken, 4, user=8), ITEMS) == pytest.approx([1, 0, 0, 0])
    # A number that is not in the pool is no place in it.
    one, other = (neighbours(sparse).score(asked(taken, 4, user=user), ITEMS) for user in (0, None))
    assert one.tolist() == other.tolist()


def test_a_taste_nobody_shares_gives_nothing(sparse: Sparse, asked: Asked, history: Histories) -> None:
    query = asked(history([(3, 0)]), 4)
    assert len(neighbours(sparse).retrieve(query, 3)) == 0
    assert neighbours(sparse).score(query, ITEMS).tolist() == [0, 0, 0, 0]


def test_only_the_nearest_users_speak(sparse: Sparse, asked: Asked, history: Histories) -> None:
    n_users = N_NEAR + 50
    # Each user took an item of their own lately; the likeness falls with the number.
    takers = np.linspace(1.0, 0.5, n_users)[None, :]
    source = UserNeighbours(sparse(takers), sparse(np.eye(n_users)), frozen(np.arange(n_users), np.int32))
    hits = source.retrieve(asked(history([(0, 0)]), n_users), n_users)
    assert hits.items.tolist() == list(range(N_NEAR))
    assert hits.scores.sum() == pytest.approx(1.0, rel=1e-5)


def test_as_many_speak_as_was_chosen(sparse: Sparse, asked: Asked, history: Histories) -> None:
    takers = np.linspace(1.0, 0.5, 9)[None, :]
    source = UserNeighbours(sparse(takers), sparse(np.eye(9)), frozen(np.arange(9), np.int32), n_near=3)
    assert source.retrieve(asked(history([(0, 0)]), 9), 9).items.tolist() == [0, 1, 2]


def test_a_source_read_back_is_fitted_as_it_was(sparse: Sparse, tmp_path: Path) -> None:
    source = replace(neighbours(sparse), n_near=3, everything=True)
    source.write(SnapshotWriter(tmp_path))
    found = UserNeighbours.read(SnapshotReader(tmp_path), "user-knn")
    assert (found.n_near, found.everything) == (3, True)
    (path,) = tmp_path.rglob("user-knn.settings*")
    path.unlink()
    found = UserNeighbours.read(SnapshotReader(tmp_path), "user-knn")
    assert (found.n_near, found.everything) == (N_NEAR, False)
