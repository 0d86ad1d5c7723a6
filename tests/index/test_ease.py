from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from index.ease import EaseForm, EaseSettings, fit_ease, form_of, rank_of, spectral
from recsys.arrays import Float64
from recsys.sources.ease import Ease
from recsys.sources.item_neighbours import ItemNeighbours

SETTINGS = EaseSettings(least_users=1)


def taken(n_users: int, n_items: int) -> csr_matrix:
    """Random preferences; every item has a user and every user an item."""
    rng = np.random.default_rng(4)
    table = (rng.random((n_users, n_items)) < 0.4) * rng.uniform(0.5, 2.0, (n_users, n_items))
    table[np.arange(n_items) % n_users, np.arange(n_items)] = 1.0
    return csr_matrix(table.astype(np.float32))


def closed_form(matrix: csr_matrix, penalty: float) -> Float64:
    """Steck 2019, equation 8: B = I - P / diag P with P = (XᵀX + λI)⁻¹, which leaves a diagonal of 0."""
    x = matrix.toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    return np.eye(x.shape[1]) - inverse / np.diag(inverse)


def penalty_of(matrix: csr_matrix, side: int) -> float:
    """λ as the settings scale it: by the mean diagonal of the Gram matrix of ``side`` rows."""
    return SETTINGS.regularisation * float((matrix.multiply(matrix)).sum()) / side


@pytest.mark.parametrize(("n_users", "n_items"), [(9, 14), (14, 9), (11, 11)])
def test_all_of_the_spectrum_is_the_closed_form(n_users: int, n_items: int) -> None:
    matrix = taken(n_users, n_items)
    vectors, own = spectral(matrix, SETTINGS)
    z = vectors * (1.0 - own)[:, None]
    weights = (z @ vectors.T).astype(np.float64)  # z_i · z_j / (1 - d_j)
    np.fill_diagonal(weights, 0.0)
    assert weights == pytest.approx(closed_form(matrix, penalty_of(matrix, min(n_users, n_items))), abs=2e-5)


def test_a_cut_spectrum_keeps_its_leading_part() -> None:
    matrix = taken(30, 20)
    whole, _ = spectral(matrix, SETTINGS)
    part, _ = spectral(matrix, replace(SETTINGS, exact_below=10, rank=6))
    assert (whole.shape, part.shape) == ((20, 20), (20, 6))


def test_the_head_form_keeps_the_largest_weights_of_the_closed_form() -> None:
    matrix = taken(40, 12)
    settings = replace(SETTINGS, exact_below=3, most_users=10, n_neighbours=4)
    found = fit_ease(matrix, settings=settings, seed=0)
    assert isinstance(found, ItemNeighbours)
    expected = closed_form(matrix, penalty_of(matrix, 12))
    for item in range(12):
        first, last = found.table.starts[item : item + 2]
        kept = dict(zip(found.table.columns[first:last].tolist(), found.table.values[first:last].tolist(), strict=True))
        largest = [int(j) for j in np.argsort(-expected[item])[:4] if expected[item, j] > 0]
        assert sorted(kept) == sorted(largest)
        assert [kept[j] for j in largest] == pytest.approx([expected[item, j] for j in largest], abs=1e-5)


def test_rare_items_are_left_out_and_too_little_gives_none() -> None:
    table = np.zeros((6, 5), np.float32)
    table[:, :3] = 1.0
    table[0, 3] = 1.0
    found = fit_ease(csr_matrix(table), settings=EaseSettings(), seed=0)
    assert isinstance(found, Ease)
    assert found.items.tolist() == [0, 1, 2]
    assert fit_ease(csr_matrix(table[:2]), settings=EaseSettings(), seed=0) is None


@pytest.mark.parametrize(
    ("n_users", "n_items", "form", "rank"),
    [
        (1, 9, EaseForm.NONE, 1),
        (900, 5_000, EaseForm.DUAL, 900),
        (5_000, 900, EaseForm.PRIMAL, 900),
        (5_000, 50_000, EaseForm.DUAL, 512),
        (50_000, 900, EaseForm.PRIMAL, 900),
        (50_000, 5_000, EaseForm.HEAD, 512),
    ],
)
def test_the_form_follows_the_sizes(n_users: int, n_items: int, form: EaseForm, rank: int) -> None:
    assert form_of(n_users, n_items, EaseSettings()) is form
    assert rank_of(n_users, n_items, EaseSettings()) == rank
