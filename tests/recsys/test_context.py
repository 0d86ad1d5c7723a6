from __future__ import annotations

import numpy as np
import pytest

from recsys.arrays import Int32, frozen
from recsys.context import MOST_FAMILIES, code_families


def codes(*values: int) -> Int32:
    return frozen(values, np.int32)


def partition(values: Int32) -> set[tuple[int, ...]]:
    """The groups as sets of positions, whatever their numbers are."""
    return {tuple(np.flatnonzero(values == code).tolist()) for code in set(values.tolist()) - {-1}}


def test_a_copy_of_a_partition_under_other_numbers_is_left_out() -> None:
    families = code_families({"category_1": codes(0, 0, 1, -1), "same": codes(5, 5, 2, -1), "brand": codes(0, 1, 1, 0)})
    assert list(families) == ["category_1", "brand", "category_1 x brand"]


def test_families_with_other_holes_are_other_families() -> None:
    assert list(code_families({"a": codes(0, 0, 1), "b": codes(0, 0, -1)})) == ["a", "b"]


def test_only_the_deepest_category_is_crossed() -> None:
    families = code_families(
        {"category_1": codes(0, 0, 0, 1), "category_2": codes(0, 0, 1, 2), "brand": codes(0, 1, 1, 1)}
    )
    assert list(families) == ["category_1", "category_2", "brand", "category_2 x brand"]


@pytest.mark.parametrize("hole", [False, True])
def test_a_cross_is_of_items_alike_in_both_and_missing_where_either_is(hole: bool) -> None:
    category = codes(0, 0, 1, 1, 0, -1 if hole else 2)
    crossed = code_families({"category_1": category, "brand": codes(3, 3, 3, 0, -1 if hole else 1, 2)})[
        "category_1 x brand"
    ]
    expected = {(0, 1), (2,), (3,)} | (set() if hole else {(4,), (5,)})
    assert partition(crossed) == expected
    assert (crossed >= -1).all()
    assert (crossed == -1).tolist() == [False] * 4 + [hole] * 2


def test_there_are_never_more_families_than_help() -> None:
    rng = np.random.default_rng(0)
    many = {"category_1": rng.integers(0, 9, 50)} | {f"a{i}": rng.integers(0, 5, 50) for i in range(20)}
    assert len(code_families({name: frozen(values, np.int32) for name, values in many.items()})) == MOST_FAMILIES


def test_no_codes_no_families() -> None:
    assert code_families({}) == {}
