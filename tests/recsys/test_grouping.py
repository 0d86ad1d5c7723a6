from __future__ import annotations

import numpy as np

from recsys.grouping import Groups, ranges

KEYS = np.array([7, 2, 7, 2, 2, 9], np.int64)


def test_groups_are_in_key_order_and_keep_row_order_inside() -> None:
    groups = Groups.of(KEYS)
    assert groups.keys.tolist() == [2, 7, 9]
    assert groups.order.tolist() == [1, 3, 4, 0, 2, 5]
    assert groups.counts.tolist() == [3, 2, 1]
    assert len(groups) == 3


def test_sum_first_and_last_are_by_group() -> None:
    groups = Groups.of(KEYS)
    values = np.array([1.0, 10.0, 2.0, 20.0, 30.0, 5.0])
    assert groups.sum(values).tolist() == [60.0, 3.0, 5.0]
    assert groups.first(values).tolist() == [10.0, 1.0, 5.0]
    assert groups.last(values).tolist() == [30.0, 2.0, 5.0]


def test_a_key_is_found_where_it_is_and_only_there() -> None:
    position, found = Groups.of(KEYS).find(np.array([9, 2, 3, 100, -1]))
    assert found.tolist() == [True, True, False, False, False]
    assert position[found].tolist() == [2, 0]


def test_no_rows_make_no_groups() -> None:
    groups = Groups.of(np.array([], np.int64))
    assert len(groups) == 0
    assert groups.sum(np.array([])).tolist() == []
    assert groups.first(np.array([])).tolist() == []
    assert groups.last(np.array([])).tolist() == []
    assert groups.find(np.array([0, 1]))[1].tolist() == [False, False]


def test_ranges_are_spread_and_empty_ones_are_nothing() -> None:
    numbers, owner = ranges(np.array([3, 7, 0]), np.array([5, 7, 3]))
    assert numbers.tolist() == [3, 4, 0, 1, 2]
    assert owner.tolist() == [0, 0, 2, 2, 2]
