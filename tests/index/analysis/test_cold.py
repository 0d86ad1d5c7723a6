from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from index.analysis.cold import Cold
from index.windows import Window

Make = Callable[..., Any]
DAY = 86_400
START = 18_000 * DAY


def test_only_target_events_of_the_window_count_and_a_view_before_it_makes_nothing_new(
    dataset_of: Make, day: Make
) -> None:
    data = dataset_of(
        [
            day("u", "a", 0, "view"),
            day("u", "a", 10),
            day("v", "a", 10),
            day("v", "b", 11),
            day("v", "c", 12, "view"),
            day("w", "d", 20),
        ]
    )
    cold = Cold.of(data, Window(START + 10 * DAY, START + 20 * DAY))
    # Of the three purchases from day 10 to 19, two are by v and one is of b; u and a were seen on day 0.
    assert (cold.n_target_events, cold.share_of_new_users, cold.share_of_new_items) == (3, 2 / 3, 1 / 3)


def test_without_a_window_nothing_is_said_of_newcomers(dataset_of: Make, day: Make) -> None:
    cold = Cold.of(dataset_of([day("u", "a", 0)], items=[{"item_id": "z"}]), None)
    assert cold.n_target_events == 0
    assert math.isnan(cold.share_of_new_users)
    assert (cold.n_items_without_events, cold.n_events_outside_catalogue) == (1, 1)
