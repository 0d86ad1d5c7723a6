from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from index.analysis.pairs import Pairs
from index.analysis.repeats import Repeats
from index.baskets import Baskets

Make = Callable[..., Any]


def test_two_lines_of_one_product_in_one_basket_are_no_repeat(dataset_of: Make, day: Make) -> None:
    lines = [("x1", 0), ("x2", 0), ("x3", 4)]
    data = dataset_of([day("u", "a", at, event_id=name) for name, at in lines])
    repeats = Repeats.of(
        data.interactions, Pairs.of(data.interactions, len(data.item_ids)), Baskets.of(data.interactions)
    )
    assert (repeats.share_owned, repeats.share_of_baskets, repeats.median_gap_days) == (1 / 3, 1 / 2, 4.0)


def test_without_repeats_there_is_no_gap(dataset_of: Make, day: Make) -> None:
    data = dataset_of([day("u", "a", 0), day("u", "b", 1), day("v", "a", 2)])
    repeats = Repeats.of(
        data.interactions, Pairs.of(data.interactions, len(data.item_ids)), Baskets.of(data.interactions)
    )
    assert (repeats.share_owned, repeats.share_seen, repeats.share_of_baskets) == (0, 0, 0)
    assert math.isnan(repeats.median_gap_days)
