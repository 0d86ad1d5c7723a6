from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.query import EMPTY_HITS
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sparse import SparseTable, best_of

DENSE = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 0.5, 0], [0, 4, 0, 0]], np.float32)


@pytest.fixture
def table(sparse: Callable[..., SparseTable]) -> SparseTable:
    return sparse(DENSE)


def test_entries_in_any_order_make_the_same_table() -> None:
    rows, columns, values = np.array([2, 0, 3, 2, 0]), np.array([2, 3, 1, 0, 1]), np.array([0.5, 1, 4, 3, 2])
    table = SparseTable.of(rows, columns, values, (4, 4))
    assert table.starts.tolist() == [0, 2, 2, 4, 5]
    assert [table.weighted_sum(np.array([row]), np.ones(1)).tolist() for row in range(4)] == DENSE.tolist()
    assert (table.starts.dtype, table.columns.dtype, table.values.dtype) == (np.int64, np.int32, np.float32)
    assert not any(array.flags.writeable for array in (table.starts, table.columns, table.values))


@pytest.mark.parametrize(
    ("rows", "weights"),
    [([0, 2], [1, 2]), ([2, 0], [2, 1]), ([0, 1, 2, 3], [0.5, 9, 1, 0.25]), ([3, 3], [1, 1]), ([1], [5]), ([], [])],
)
def test_a_weighted_sum_of_rows_is_that_of_the_matrix(
    table: SparseTable, rows: list[int], weights: list[float]
) -> None:
    found = table.weighted_sum(np.array(rows, np.int32), np.array(weights, np.float32))
    assert found.dtype == np.float32
    expected = sum((w * DENSE[row] for row, w in zip(rows, weights, strict=True)), np.zeros(4))
    assert found.tolist() == expected.tolist()


def test_a_table_may_have_other_columns_than_rows_and_rows_of_nothing() -> None:
    table = SparseTable.of(np.array([1]), np.array([6]), np.array([2.0]), (3, 8))
    assert len(table) == 3
    assert table.weighted_sum(np.array([0, 1, 2]), np.ones(3)).tolist() == [0, 0, 0, 0, 0, 0, 2, 0]
    nothing = SparseTable.of(np.array([], np.int64), np.array([], np.int64), np.array([]), (3, 8))
    assert nothing.weighted_sum(np.array([0, 2]), np.ones(2)).tolist() == [0.0] * 8


def test_a_table_read_back_is_mapped_and_the_same(table: SparseTable, tmp_path: Path) -> None:
    table.write(SnapshotWriter(tmp_path), "beside")
    loaded = SparseTable.read(SnapshotReader(tmp_path), "beside")
    assert isinstance(loaded.values.base, np.memmap)
    assert loaded.n_columns == 4
    assert loaded.weighted_sum(np.array([0, 2]), np.ones(2)).tolist() == [3, 2, 0.5, 1]


def test_the_best_are_positive_allowed_and_tie_by_number() -> None:
    scores = frozen([0.5, 2, 0, 2, -1, 3, 0.5], np.float32)
    allowed = np.array([1, 1, 1, 1, 1, 0, 1], bool)
    assert best_of(scores, allowed, 10).items.tolist() == [1, 3, 0, 6]
    assert best_of(scores, allowed, 3).items.tolist() == [1, 3, 0]
    assert best_of(scores, allowed, 3).scores.tolist() == [2, 2, 0.5]
    assert best_of(scores, allowed, 0) is EMPTY_HITS
    assert len(best_of(scores, np.zeros(7, bool), 3)) == 0
