from __future__ import annotations

import numpy as np
import pytest

from index import given
from index.given import code_table, principal


@pytest.mark.parametrize("block", [1_000, 7])
def test_texts_are_told_along_their_widest_directions(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(given, "BLOCK", block)
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(40, 6)) * [5, 1, 4, 0.1, 0.2, 0.3] + 2).astype(np.float32)
    found = principal(vectors, 2)
    apart = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(apart.astype(np.float64), full_matrices=False)
    expected = apart @ directions[:2].T
    expected /= np.linalg.norm(expected, axis=1).mean()
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)


def test_fewer_directions_than_wanted_are_all_there_are() -> None:
    assert principal(np.eye(5, 3, dtype=np.float32), 64).shape == (5, 3)
    # Texts that are all alike tell nothing, and are no division by zero.
    assert not principal(np.ones((4, 3), np.float32), 2).any()


def test_families_share_one_table_whose_first_row_is_of_what_is_missing() -> None:
    codes = {"kind": np.array([1, 0, -1, 1], np.int32), "brand": np.array([-1, -1, 0, 2], np.int32)}
    table, n_rows = code_table(codes, 4)
    assert table.tolist() == [[0, 2, 0], [0, 1, 0], [0, 0, 3], [0, 2, 5]]
    assert n_rows == 6
    bare, n_rows = code_table({"none": np.full(4, -1, np.int32)}, 4)
    assert (bare.tolist(), n_rows) == ([[0, 0]] * 4, 1)


def test_of_too_many_codes_the_rarest_have_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MOST_CODES", 2)
    table, n_rows = code_table({"seller": np.array([0, 1, 1, 2, 3, 3, -1], np.int32)}, 7)
    assert table[:, 1].tolist() == [0, 1, 1, 0, 2, 2, 0]
    assert n_rows == 3
