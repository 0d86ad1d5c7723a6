from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from index.analysis.baskets import Baskets

Make = Callable[..., Any]


def test_a_basket_is_of_one_user_at_one_time_and_of_target_events(dataset_of: Make, day: Make) -> None:
    data = dataset_of(
        [
            day("u", "a", 3),
            day("u", "b", 3),
            day("u", "c", 3, "view"),
            day("u", "a", 1),
            day("v", "a", 1),  # at the time of u's oldest, the row before
            day("w", "a", 1, "view"),
        ]
    )
    baskets = Baskets.of(data.interactions)
    assert (len(baskets), baskets.users.tolist(), baskets.sizes.tolist()) == (3, [0, 0, 1], [2, 1, 1])
    assert baskets.any(np.array([False, True, False, False])).tolist() == [True, False, False]
