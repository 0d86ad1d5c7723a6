"""Tables that grew, against the array that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys.grown import grown, with_rows

BASE, MORE = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(100, 106, dtype=np.float32).reshape(3, 2)
WHOLE = np.concatenate([BASE, MORE])


@pytest.mark.parametrize(
    "key",
    [
        0,
        8,
        -1,
        -9,
        np.int32(6),
        [],
        [1, 1, 3],
        [8, 0, 6],
        [-1, 2],
        [[0, 8], [-3, 5]],
        slice(None),
        slice(2, 4),
        slice(4, 8),
        slice(7, None),
        slice(None, 100),
    ],
)
@pytest.mark.parametrize("table", [(BASE, MORE), (BASE[:, 0], MORE[:, 0])])
def test_it_is_read_as_the_whole_would_be(key: Any, table: Any) -> None:
    base, more = table
    whole = np.concatenate([base, more])
    chosen = np.array(key, np.int64) if isinstance(key, list) else key
    found = grown(base, more)[chosen]
    np.testing.assert_array_equal(found, whole[chosen])
    assert found.dtype == whole.dtype


def test_a_column_of_it_is_grown_too() -> None:
    column = grown(BASE, MORE)[:, 1]
    np.testing.assert_array_equal(column[np.array([0, 7])], WHOLE[[0, 7], 1])
    assert (len(column), column.max(initial=-1)) == (9, 105)


def test_a_base_without_rows_can_grow() -> None:
    table = grown(BASE[:0], MORE)
    np.testing.assert_array_equal(table[np.array([2, 0])], MORE[[2, 0]])


def test_nothing_more_is_nothing_new() -> None:
    assert grown(BASE, MORE[:0]) is BASE


@pytest.mark.parametrize(
    "read",
    [
        lambda table: np.asarray(table),
        lambda table: np.sqrt(table),
        lambda table: table[np.ones(9, bool)],
        lambda table: table[::2],
        lambda table: table[1:2, 0],
    ],
)
def test_what_would_copy_it_is_refused(read: Any) -> None:
    with pytest.raises(TypeError):
        read(grown(BASE, MORE))


def test_changed_rows_are_those_of_a_copy() -> None:
    rows = np.array([1, 4])
    changed = with_rows(BASE[:, 0], MORE[:, 0], rows, np.array([50, 60]))
    expected = WHOLE[:, 0].copy()
    expected[rows] = [50, 60]
    np.testing.assert_array_equal(changed, expected)
    assert not changed.flags.writeable
    assert BASE[1, 0] == 2
