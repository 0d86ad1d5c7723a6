from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from index.neighbours import (
    NeighbourSettings,
    Similarity,
    followers,
    heaviest,
    item_neighbours,
    user_neighbours,
)
from recsys.arrays import frozen
from recsys.interactions import Interactions
from recsys.sparse import SparseTable

NOW, DAY = 1_500_000_000, 86_400


def table_of(rows: list[tuple[int, int, float]], weights: list[float] | None = None) -> Interactions:
    users, items, days = zip(*rows, strict=True)
    return Interactions.ordered(
        users=users,
        items=items,
        times=[NOW - round(day * DAY) for day in days],
        weights=weights or [1.0] * len(rows),
        targets=[True] * len(rows),
    )


def row_of(table: SparseTable, row: int) -> dict[int, float]:
    first, last = table.starts[row : row + 2]
    return dict(zip(table.columns[first:last].tolist(), table.values[first:last].tolist(), strict=True))


# Items 0 and 1 share users 0 and 1; item 2 has users 1, 2, 3; item 3 nobody else's.
TAKEN = csr_matrix(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1]], np.float32))


def test_jaccard_is_the_share_of_either_s_users() -> None:
    found = item_neighbours(TAKEN, similarity=Similarity.JACCARD)
    assert found is not None
    assert row_of(found.table, 0) == pytest.approx({1: 2 / 3, 2: 2 / 4})
    assert row_of(found.table, 3) == {}


def test_pearson_is_the_correlation_of_the_columns_where_positive() -> None:
    found = item_neighbours(TAKEN, similarity=Similarity.PEARSON)
    assert found is not None
    expected = np.corrcoef(TAKEN.toarray().T)
    assert row_of(found.table, 0) == pytest.approx({1: expected[0, 1]})
    assert expected[0, 2] < 0


def test_cosine_is_of_columns_and_so_the_same_whatever_an_item_s_weight() -> None:
    found = item_neighbours(TAKEN)
    assert found is not None
    assert row_of(found.table, 0) == pytest.approx({1: 2 / math.sqrt(6), 2: 2 / 3})
    assert row_of(found.table, 1) == pytest.approx({0: 2 / math.sqrt(6), 2: 1 / math.sqrt(6)})


def test_no_two_items_share_a_user() -> None:
    assert item_neighbours(csr_matrix(np.eye(3, dtype=np.float32))) is None


def test_the_heaviest_entries_of_a_row_stay() -> None:
    kept = heaviest(csr_matrix(np.array([[3, 0, 1, 2], [0, 5, 0, 0]], np.float32)), 2)
    assert kept.toarray().tolist() == [[3, 0, 0, 2], [0, 5, 0, 0]]


def test_followers_count_what_came_after_the_nearer_the_more() -> None:
    found = followers(table_of([(0, 0, 30), (0, 1, 20), (0, 2, 10), (1, 0, 9), (1, 2, 8)]), 3)
    assert found is not None
    assert found.recent
    # 0 -> 1 one step, 0 -> 2 two steps and one step; over the root of how often the follower occurs.
    assert row_of(found.table, 0) == pytest.approx({1: 1.0, 2: 1.5 / math.sqrt(2)})
    assert row_of(found.table, 1) == pytest.approx({2: 1 / math.sqrt(2)})
    assert row_of(found.table, 2) == {}


def test_what_nobody_liked_and_what_is_long_ago_leads_nowhere() -> None:
    assert followers(table_of([(0, 0, 2), (0, 1, 1)], [1.0, 0.0]), 2) is None
    assert followers(table_of([(0, 0, 401), (0, 1, 400), (1, 1, 1)]), 2) is None
    assert followers(table_of([(0, 0, 2), (1, 1, 1)]), 2) is None


def test_neighbours_are_pooled_from_who_is_active_and_hold_what_they_took_lately() -> None:
    rows = [(0, 0, 5), (0, 1, 70), (1, 0, 3), (2, 2, 1), (2, 2, 2)]
    preferences = csr_matrix(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32))
    found = user_neighbours(preferences, table_of(rows), NOW)
    assert found is not None
    assert found.users.tolist() == [0, 1, 2]
    assert [row_of(found.recent, user) for user in range(3)] == [{0: 1.0}, {0: 1.0}, {2: 1.0}]
    # Item 0 has two pooled users: user 1's only item makes up all of their length.
    likeness = found.takers.weighted_sum(np.array([0]), np.array([1.0]))
    assert likeness[2] == 0
    assert likeness[1] == pytest.approx(2**-0.25)
    assert 0 < likeness[0] < likeness[1]


def test_a_shop_where_people_come_twice_a_year_looks_further_back() -> None:
    rows = [(user, user % 2, 100.0) for user in range(9)] + [(9, 0, 1.0)]
    preferences = csr_matrix((np.ones(10), ([r[0] for r in rows], [r[1] for r in rows])), shape=(10, 2))
    found = user_neighbours(preferences, table_of(rows), NOW)
    assert found is not None
    assert len(found.users) == 10


def test_the_pool_holds_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.neighbours.MOST_POOLED_USERS", 2)
    rows = [(user, 0, float(5 - user)) for user in range(4)]
    found = user_neighbours(csr_matrix(np.ones((4, 1), np.float32)), table_of(rows), NOW)
    assert found is not None
    assert found.users.tolist() == [2, 3]


def test_what_was_only_looked_at_counts_where_everything_does() -> None:
    rows = [(0, 0, 5.0), (0, 1, 3.0), (1, 1, 2.0)]
    past = replace(table_of(rows), targets=frozen([False, True, False], np.bool_))  # newest first: bought item 0 alone
    preferences = csr_matrix(np.array([[1, 1], [0, 1]], np.float32))
    found = user_neighbours(preferences, past, NOW)
    assert found is not None
    assert found.users.tolist() == [0]
    assert row_of(found.recent, 0) == {0: 1.0}
    found = user_neighbours(preferences, past, NOW, settings=NeighbourSettings(7, everything=True))
    assert found is not None
    assert (found.n_near, found.everything) == (7, True)
    assert found.users.tolist() == [0, 1]
    assert [row_of(found.recent, user) for user in range(2)] == [{0: 1.0, 1: 1.0}, {1: 1.0}]
