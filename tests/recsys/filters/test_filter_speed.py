"""Filters cost what array operations cost, and nothing that grows with rows in Python."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

import numpy as np
import pytest

from recsys.filters.columns import Columns, Numbers, Paths, TextLists, Texts
from recsys.filters.predicate import compile_filter
from recsys.text_column import TextColumn

N_ITEMS = 200_000
# A loop over rows that does nothing at all costs some 100 to 300 times the plain comparison.
MOST_TIMES = 40


@pytest.fixture(scope="module")
def shop() -> Columns:
    numbers = np.arange(N_ITEMS)
    return Columns(
        N_ITEMS,
        {
            "title": Texts(TextColumn.of(f"Tea no {number % 2000}" for number in numbers)),
            "brand": Texts(TextColumn.of(f"brand {number % 500}" for number in numbers)),
            "category": Paths(TextColumn.of(f"top {number % 9} > leaf {number % 90}" for number in numbers)),
            "price": Numbers((numbers % 1000).astype(np.float32)),
            "tags": TextLists.of([f"tag {number % 7}", f"tag {number % 700}"] for number in numbers),
        },
        searched=("title", "brand"),
    )


def fastest(run: Callable[[], object]) -> float:
    times = []
    for _ in range(9):
        started = thread_time()
        for _ in range(5):
            run()
        times.append(thread_time() - started)
    return min(times)


@pytest.mark.parametrize(
    "text",
    [
        "price < 20",
        'brand = "brand 7"',
        'brand != "brand 7"',
        'brand > "brand 7"',
        "brand = *7",
        'category:"top 3"',
        "title:17",
        'tags:"tag 333"',
        'tags:"tag 3"',
        'price < 20 AND category:"top 3" AND NOT brand = "brand 7"',
    ],
)
def test_a_filter_costs_a_few_plain_comparisons(shop: Columns, text: str) -> None:
    prices = np.arange(N_ITEMS, dtype=np.float64) % 1000
    predicate = compile_filter(text, shop.schema)
    assert 0 < predicate.mask(shop).sum() < N_ITEMS

    assert fastest(lambda: predicate.mask(shop)) < MOST_TIMES * fastest(lambda: prices < 20)


def test_a_loop_over_rows_would_be_noticed() -> None:
    prices = np.arange(N_ITEMS, dtype=np.float64) % 1000

    assert fastest(lambda: [None for _ in range(N_ITEMS)]) > MOST_TIMES * fastest(lambda: prices < 20)
