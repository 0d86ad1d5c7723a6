from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.arrays import Int32, frozen
from recsys.context import MOST_FAMILIES, code_families
from recsys.model import Snapshot


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


def test_an_items_part_of_its_groups_new_users_by_hand(world: Callable[..., Snapshot]) -> None:
    # Two users, active in the last 8 weeks. Item 0 was new to both, item 1 to one of them, item 2 to one long ago.
    events = [(0, 0, 7), (1, 0, 14), (1, 1, 7), (0, 2, 70), (1, 3, 7)]
    context = world(events, n_users=2, n_items=5, codes={"a": [0, 0, 0, -1, 1]}).model.context
    rates, floor = [1.0, 0.5, 0.0], 0.01
    expected = [rate / (sum(rates) + floor) for rate in rates]
    assert context.first_shares["a"][:3] == pytest.approx(expected, rel=1e-6)
    assert np.isnan(context.first_shares["a"][3])
    assert context.first_shares["a"][4] == 0.0


def test_where_nothing_is_new_to_anybody_no_item_has_a_part(world: Callable[..., Snapshot]) -> None:
    context = world([(0, 0, 300)], n_users=1, n_items=2, codes={"a": [0, 0]}).model.context
    assert context.first_shares["a"].tolist() == [0.0, 0.0]


def test_no_codes_no_families() -> None:
    assert code_families({}) == {}
