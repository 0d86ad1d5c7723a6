from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from index.analysis.drift import Drift, js_distance, top_overlap
from index.dataset import Dataset

DAY = 86_400
START = 18_000 * DAY
Make = Callable[..., Any]


def int32(*values: int) -> Any:
    return np.array(values, np.int32)


def test_windows_end_with_the_data_and_a_part_of_one_at_the_beginning_is_left_out(dataset_of: Make, day: Make) -> None:
    data = dataset_of([day("u", "a", at) for at in (0, 10, 40, 80)])
    drift = Drift.of(data, end=START + 80 * DAY + 1)
    # Two windows fit into 80 days; day 10 lies in what is left over, 24 days.
    assert drift.window_days == 28
    assert [(w.start - START, w.n_events) for w in drift.windows] == [(24 * DAY + 1, 1), (52 * DAY + 1, 1)]


def test_each_window_by_hand(dataset_of: Make, day: Make) -> None:
    data = dataset_of(
        [
            day("u1", "a", 0),
            day("u1", "b", 1),
            day("u2", "a", 2),
            day("u1", "a", 30),
            day("u3", "c", 31),
            day("u3", "a", 32, "view"),
        ]
    )
    first, second, third = Drift.of(data, end=START + 84 * DAY).windows
    assert (first.n_events, first.n_users, first.n_items) == (3, 2, 2)
    assert all(math.isnan(value) for value in (first.share_new_users, first.share_new_items, first.js_distance))

    assert (second.n_events, second.n_users, second.n_items) == (3, 2, 2)
    assert (second.share_new_users, second.share_new_items) == (0.5, 0.5)
    # Purchases of a, b, c: 2/3, 1/3, 0 before and 1/2, 0, 1/2 now; the view counts nothing.
    mixed = [7 / 12, 2 / 12, 3 / 12]
    before, now = [2 / 3, 1 / 3], [1 / 2, 1 / 2]
    divergence = entropy(mixed) - (entropy(before) + entropy(now)) / 2
    assert second.js_distance == pytest.approx(math.sqrt(divergence))
    # a and b were the most popular, a and c are.
    assert second.top_overlap == 0.5

    assert (third.n_events, third.n_users, third.n_items) == (0, 0, 0)
    assert all(math.isnan(value) for value in (third.share_new_users, third.js_distance, third.top_overlap))


def entropy(shares: list[float]) -> float:
    return -sum(share * math.log2(share) for share in shares)


def test_the_distance_is_0_for_equal_shares_and_1_for_nothing_in_common() -> None:
    assert js_distance(int32(4, 7), int32(4, 4, 7, 7)) == 0
    assert js_distance(int32(4, 4), int32(7)) == 1
    assert math.isnan(js_distance(int32(), int32(7)))


def test_the_overlap_is_of_the_hundred_most_popular() -> None:
    # Of 0 … 149 the first hundred are taken twice; then 10 … 109 are.
    a = np.concatenate([np.arange(150), np.arange(100)]).astype(np.int32)
    b = np.concatenate([np.arange(150), np.arange(10, 110)]).astype(np.int32)
    assert top_overlap(a, b) == 0.9
    assert top_overlap(int32(1, 2, 3), int32(3)) == 1.0


def world(shift: int) -> list[tuple[str, str, float]]:
    """Two windows of 2,000 purchases of 50 products, those of the second ``shift`` places on."""
    rng = np.random.default_rng(3)
    items = rng.integers(0, 50, 4_000) + np.repeat([0, shift], 2_000)
    times = np.repeat([0.0, 28.0], 2_000) + np.tile(np.linspace(0, 27.9, 2_000), 2)
    return [(f"u{n % 100}", f"i{item}", at) for n, (item, at) in enumerate(zip(items, times, strict=True))]


@pytest.mark.parametrize(("shift", "least", "most"), [(0, -0.05, 0.05), (50, 0.5, 1.0)], ids=["no change", "all new"])
def test_chance_explains_a_distance_without_change_and_not_one_with(
    dataset_of: Make, day: Make, shift: int, least: float, most: float
) -> None:
    data: Dataset = dataset_of([day(*row) for row in world(shift)])
    newest = Drift.of(data, end=START + 56 * DAY).windows[-1]
    assert newest.js_by_chance > 0
    assert least < newest.js_distance - newest.js_by_chance < most


def test_one_stray_event_of_long_ago_costs_no_thousand_windows(dataset_of: Make, day: Make) -> None:
    drift = Drift.of(dataset_of([day("u", "a", -17_000), day("u", "b", 0)]), end=START + 1)
    assert len(drift.windows) == 52
    assert drift.windows[-1].n_events == 1
