from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from index.item2vec import Item2VecSettings, basket_table, fit_item2vec, positive_lifts
from recsys.interactions import Interactions
from recsys.sources.item2vec import Item2Vec

NOW, HOUR = 1_500_000_000, 3_600
SETTINGS = Item2VecSettings(least_baskets=1)
N_ITEMS = 8

# (user, item, hours before NOW)
Row = tuple[int, int, float]


def table_of(rows: list[Row], weights: list[float] | None = None) -> Interactions:
    users, items, hours = zip(*rows, strict=True) if rows else ((), (), ())
    return Interactions.ordered(
        users=users,
        items=items,
        times=[NOW - round(hour * HOUR) for hour in hours],
        weights=np.ones(len(rows)) if weights is None else weights,
        targets=np.ones(len(rows), bool),
    )


def planted(pairs: tuple[tuple[int, int], ...] = ((0, 1), (2, 3), (4, 5)), since: int = 0) -> list[Row]:
    """Six users' baskets: the items of a pair always lie together, item 6 beside any of them."""
    rows: list[Row] = []
    for user in range(6):
        for day, pair in enumerate(pairs, since):
            rows += [(user, item, 24.0 * day + 1) for item in pair]
            if (user + day) % 3 == 0:
                rows.append((user, 6, 24.0 * day + 1))
    return rows


def nearest(source: Item2Vec, item: int) -> int:
    """The item found most beside ``item``, itself left out."""
    row = source.items.tolist().index(item)
    scores = source.beside @ source.taken[row]
    scores[row] = -np.inf
    return int(source.items[scores.argmax()])


def fitted(table: Interactions, settings: Item2VecSettings = SETTINGS) -> Item2Vec:
    found = fit_item2vec(table, N_ITEMS, settings=settings, seed=3)
    assert found is not None
    return found


def test_items_that_share_baskets_are_found_beside_one_another() -> None:
    source = fitted(table_of(planted()))
    assert source.items.tolist() == list(range(7))
    assert [nearest(source, item) for item in range(6)] == [1, 0, 3, 2, 5, 4]
    assert np.linalg.norm(source.taken, axis=1) == pytest.approx(np.ones(7), rel=1e-5)


def test_products_are_the_positive_lifts_where_all_of_the_spectrum_is_kept() -> None:
    table = table_of(planted())
    source = fitted(table)
    lifts = positive_lifts(basket_table(table, N_ITEMS, SETTINGS)[:, :7], SETTINGS).toarray()
    lengths = np.linalg.norm(lifts @ np.linalg.pinv(source.beside.T), axis=1, keepdims=True)
    assert source.taken @ source.beside.T * lengths == pytest.approx(lifts, abs=1e-4)


def test_a_lift_is_the_log_of_how_much_more_often_than_by_chance() -> None:
    # Items 0 and 1 share two baskets, 1 and 2 one: pairs with each are 2, 3 and 1.
    baskets = csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], np.float32))
    chance = np.array([2.0, 3.0, 1.0]) ** 0.75
    chance /= chance.sum()
    expected = np.zeros((3, 3))
    for i, j, share in ((0, 1, 1.0), (1, 0, 2 / 3), (1, 2, 1 / 3), (2, 1, 1.0)):
        expected[i, j] = max(0.0, math.log(share / chance[j]))
    assert positive_lifts(baskets, SETTINGS).toarray() == pytest.approx(expected, abs=1e-6)
    two = positive_lifts(baskets, replace(SETTINGS, negatives=2.0)).toarray()
    assert two == pytest.approx(np.maximum(0.0, np.where(expected > 0, expected - math.log(2), 0.0)), abs=1e-6)


def rows_of(table: csr_matrix) -> list[list[int]]:
    """Items of each basket that has any, sorted."""
    return sorted(sorted(np.flatnonzero(row).tolist()) for row in table.toarray() if row.any())


def test_a_basket_ends_with_its_user_or_with_a_pause() -> None:
    rows = [(0, 0, 5.0), (0, 1, 5.4), (0, 2, 5.8), (0, 3, 7.0), (1, 4, 7.0), (1, 4, 7.0), (1, 5, 7.2)]
    table = basket_table(table_of(rows), N_ITEMS, SETTINGS)
    assert rows_of(table) == [[0, 1, 2], [3], [4, 5]]
    assert set(table.data.tolist()) == {1.0}


def test_what_nobody_liked_is_in_no_basket() -> None:
    table = table_of([(0, 0, 1.0), (0, 1, 1.0), (0, 2, 1.0)], [1.0, 0.0, 1.0])
    assert rows_of(basket_table(table, N_ITEMS, SETTINGS)) == [[0, 2]]


def test_long_baskets_are_cut_and_only_the_newest_are_used() -> None:
    rows = [(0, item, 1.0) for item in range(5)] + [(1, item, 30.0) for item in (5, 6)] + [(1, 7, 90.0)]
    table = table_of(rows)
    cut = replace(SETTINGS, most_in_basket=3)
    assert rows_of(basket_table(table, N_ITEMS, cut)) == [[0, 1, 2], [3, 4], [5, 6], [7]]
    # 9 + 4 + 4 pairs; the oldest basket would be one more.
    assert rows_of(basket_table(table, N_ITEMS, replace(cut, most_pairs=17))) == [[0, 1, 2], [3, 4], [5, 6]]


def test_rare_items_are_left_out() -> None:
    rows = [*planted(), (0, 7, 1.0)]
    assert 7 in fitted(table_of(rows)).items
    assert 7 not in fitted(table_of(rows), replace(SETTINGS, least_baskets=2)).items


def test_fitting_twice_gives_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    rows = [(int(u), int(i), float(h)) for u, i, h in zip(*rng.integers([[9], [8], [40]], size=(3, 400)), strict=True)]
    settings = replace(SETTINGS, dimension=3)
    first, again = (fitted(table_of(rows), settings) for _ in range(2))
    assert first.taken.shape == (8, 3)
    assert first.taken.tobytes() == again.taken.tobytes()
    assert first.beside.tobytes() == again.beside.tobytes()


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, 0, 1.0)],
        [(user, 0, 1.0) for user in range(9)],
        [(0, item, 10.0 * item) for item in range(8)],  # one user, one item a basket
    ],
)
def test_without_two_items_in_a_basket_there_is_none(rows: list[Row]) -> None:
    assert fit_item2vec(table_of(rows), N_ITEMS, settings=SETTINGS, seed=3) is None


def test_one_user_with_a_basket_is_enough_unless_items_are_rare() -> None:
    rows = [(0, 0, 1.0), (0, 1, 1.0)]
    assert fitted(table_of(rows)).items.tolist() == [0, 1]
    assert fit_item2vec(table_of(rows), N_ITEMS, settings=Item2VecSettings(), seed=3) is None
