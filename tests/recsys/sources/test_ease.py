"""EASE kept as vectors against its closed form, worked out with the matrix inverse it avoids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.query import History, Query
from recsys.sources.ease import Ease

N_ITEMS, PENALTY = 12, 1.7
Asked = Callable[..., Query]
Histories = Callable[..., History]

# (item, days before now), now: an item taken twice, one taken once; none of them fades, as no time has passed.
TAKEN = [(2, 0), (2, 0), (5, 0), (9, 0)]


@pytest.fixture(scope="module", params=[7, 30], ids=["fewer users than items", "more users than items"])
def table(request: pytest.FixtureRequest) -> np.ndarray:
    """Preferences of users (rows) for items."""
    rng = np.random.default_rng(6)
    users = (rng.random((request.param, N_ITEMS)) < 0.4) * rng.uniform(0.3, 2, (request.param, N_ITEMS))
    users[0] = 1.0
    return users


@pytest.fixture(scope="module")
def source(table: np.ndarray, ease: Callable[..., Ease]) -> Ease:
    return ease(table, penalty=PENALTY)


def weights_of(table: np.ndarray) -> np.ndarray:
    """B = I - P diag(1 / diag P), P = (XᵀX + λI)⁻¹."""
    inverse = np.linalg.inv(table.T @ table + PENALTY * np.eye(N_ITEMS))
    return np.eye(N_ITEMS) - inverse / np.diag(inverse)


def preferences() -> np.ndarray:
    found = np.zeros(N_ITEMS)
    found[[2, 5, 9]] = np.log1p([2, 1, 1])
    return found


def test_the_closed_form_has_no_item_speak_for_itself(table: np.ndarray) -> None:
    assert np.diag(weights_of(table)) == pytest.approx(np.zeros(N_ITEMS), abs=1e-9)


def test_scores_are_those_of_the_closed_form(source: Ease, table: np.ndarray, asked: Asked, history: Histories) -> None:
    scores = source.score(asked(history(TAKEN), N_ITEMS), np.arange(N_ITEMS, dtype=np.int32))
    assert scores == pytest.approx(preferences() @ weights_of(table), rel=1e-4, abs=1e-5)


def test_what_fades_counts_as_it_does_for_the_factorisation(
    source: Ease, table: np.ndarray, asked: Asked, history: Histories
) -> None:
    old = history([(4, 40 * 7, 2.0, True), (7, 0)])
    h = np.zeros(N_ITEMS)
    h[[4, 7]] = np.log1p([2 / np.e, 1])
    scores = source.score(asked(old, N_ITEMS), np.arange(N_ITEMS, dtype=np.int32))
    assert scores == pytest.approx(h @ weights_of(table), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("k", [1, 4, N_ITEMS])
@pytest.mark.parametrize("allowed", [range(N_ITEMS), [2, 5, 9], [0, 1, 2, 3, 9], [11]])
def test_hits_are_the_best_of_the_closed_form_own_items_among_them(
    source: Ease, table: np.ndarray, asked: Asked, history: Histories, k: int, allowed: list[int]
) -> None:
    scores = preferences() @ weights_of(table)
    expected = sorted(allowed, key=lambda item: -scores[item])[:k]
    assert source.retrieve(asked(history(TAKEN), N_ITEMS, allowed=list(allowed)), k).items.tolist() == expected


def test_a_user_of_many_items_loses_none_of_the_best(
    source: Ease, table: np.ndarray, asked: Asked, history: Histories
) -> None:
    # All own items but the last: whatever the inner products say, the best one is known only by its own part.
    query = asked(history([(item, 0) for item in range(N_ITEMS - 1)]), N_ITEMS)
    h = np.append(np.full(N_ITEMS - 1, np.log(2)), 0.0)
    assert source.retrieve(query, 1).items.tolist() == [int(np.argmax(h @ weights_of(table)))]


def test_items_without_a_vector_are_neither_returned_nor_scored_nor_a_ground(
    table: np.ndarray, ease: Callable[..., Ease], asked: Asked, history: Histories
) -> None:
    # Columns are the even items of 24; item 23 lies beyond the last of them.
    source = ease(table, penalty=PENALTY, items=np.arange(0, 24, 2))
    query = asked(history([(4, 0), (4, 0), (10, 0), (18, 0), (3, 0), (23, 0)]), 24)
    scores = source.score(query, np.arange(24, dtype=np.int32))
    assert scores[::2] == pytest.approx(preferences() @ weights_of(table), rel=1e-4, abs=1e-5)
    assert np.isnan(scores[1::2]).all()
    assert (source.retrieve(query, 24).items % 2 == 0).all()
    only_unknown = asked(history([(3, 0), (23, 0)]), 24)
    assert len(source.retrieve(only_unknown, 5)) == 0
    assert np.isnan(source.score(only_unknown, np.arange(24, dtype=np.int32))).all()


def test_items_that_are_not_indexed_are_scored_all_the_same(
    table: np.ndarray, ease: Callable[..., Ease], asked: Asked, history: Histories
) -> None:
    source = ease(table, penalty=PENALTY, indexed=np.arange(0, N_ITEMS, 2))
    query = asked(history([(2, 0), (2, 0), (5, 0), (9, 0)]), N_ITEMS)
    returned = source.retrieve(query, N_ITEMS).items.tolist()
    # What the user has is known without the index.
    assert sorted(returned) == [0, 2, 4, 5, 6, 8, 9, 10]
    scores = source.score(query, np.arange(N_ITEMS, dtype=np.int32))
    assert scores == pytest.approx(preferences() @ weights_of(table), rel=1e-4, abs=1e-5)


def test_what_the_user_did_not_like_is_no_ground(source: Ease, asked: Asked, history: Histories) -> None:
    query = asked(history([(2, 0, 0.0, True)]), N_ITEMS)
    assert len(source.retrieve(query, 5)) == 0
    assert np.isnan(source.score(query, np.arange(N_ITEMS, dtype=np.int32))).all()
