from __future__ import annotations

import math

import numpy as np
import pytest

from index.factorise import AlsSettings, Factorised, factorise, preferences
from recsys.als import FADE_WEEKS
from recsys.interactions import Interactions

NOW, WEEK = 1_500_000_000, 7 * 86_400
SETTINGS = AlsSettings(factors=4, regularisation=0.5, alpha=2.0, iterations=30)


def table_of(rows: list[tuple[int, int, float]], weights: list[float] | None = None) -> Interactions:
    users, items, weeks = zip(*rows, strict=True) if rows else ((), (), ())
    return Interactions.ordered(
        users=users,
        items=items,
        times=[NOW - round(week * WEEK) for week in weeks],
        weights=np.ones(len(rows)) if weights is None else weights,
        targets=np.ones(len(rows), bool),
    )


def random_table(seed: int) -> Interactions:
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, (15, 12), size=(120, 2)).T
    return table_of(list(zip(users.tolist(), items.tolist(), rng.uniform(0, 30, 120).tolist(), strict=True)))


def fitted(table: Interactions, settings: AlsSettings = SETTINGS, seed: int = 1) -> Factorised:
    found = factorise(table, 15, 14, at=NOW, settings=settings, seed=seed)
    assert found is not None
    return found


def test_a_preference_is_the_log_of_the_faded_sum() -> None:
    table = table_of([(0, 1, 0), (0, 1, FADE_WEEKS), (2, 0, 2 * FADE_WEEKS)], [1.0, 2.0, 3.0])
    expected = np.zeros((3, 2))
    expected[0, 1] = math.log1p(1 + 2 / math.e)
    expected[2, 0] = math.log1p(3 / math.e**2)
    np.testing.assert_allclose(preferences(table, 3, 2, NOW).toarray(), expected, rtol=1e-6)


def test_a_disliked_item_is_not_even_stored() -> None:
    table = table_of([(0, 1, 0), (0, 0, 0)], [1.0, 0.0])
    assert preferences(table, 1, 2, NOW).nnz == 1


def test_folding_a_user_in_gives_the_vector_they_were_trained_to() -> None:
    table = random_table(0)
    found = fitted(table)
    wanted = preferences(table, 15, 14, NOW)
    users = np.flatnonzero(np.diff(wanted[:, found.items].tocsr().indptr))
    for row, user in enumerate(users):
        items, values = wanted[user].indices.astype(np.int32), wanted[user].data
        folded = found.model.fold_in(items, values)
        cosine = folded @ found.users[row] / np.linalg.norm(folded) / np.linalg.norm(found.users[row])
        assert cosine > 0.99


def test_items_of_too_few_users_have_no_factors() -> None:
    rows = [(0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2)]
    found = fitted(table_of(rows))
    assert found.items.tolist() == [0, 1]
    assert found.model.factors[[0, 1]].any(axis=1).all()
    assert not found.model.factors[2:].any()


def test_the_width_never_exceeds_what_there_is_to_describe() -> None:
    found = fitted(table_of([(0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1)]), AlsSettings(factors=64))
    assert found.model.factors.shape == (14, 2)
    assert found.model.gram.shape == (2, 2)


@pytest.mark.parametrize("rows", [[], [(0, 0, 1)], [(0, 0, 1), (1, 0, 1)], [(0, 0, 1), (0, 1, 1)]])
def test_too_little_data_makes_no_factorisation(rows: list[tuple[int, int, float]]) -> None:
    assert factorise(table_of(rows), 15, 14, at=NOW, settings=SETTINGS, seed=1) is None


def test_the_same_seed_gives_the_same_factors() -> None:
    first, again, other = fitted(random_table(3)), fitted(random_table(3)), fitted(random_table(3), seed=2)
    assert first.model.factors.tobytes() == again.model.factors.tobytes()
    assert first.model.factors.tobytes() != other.model.factors.tobytes()
