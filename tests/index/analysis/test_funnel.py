from __future__ import annotations

from collections.abc import Callable
from typing import Any

from index.analysis.funnel import funnel
from index.analysis.pairs import Pairs

Make = Callable[..., Any]


def test_a_step_counts_what_came_earlier_or_at_the_same_time(dataset_of: Make, day: Make) -> None:
    data = dataset_of(
        [
            day("u", "a", 0, "view"),
            day("u", "a", 0, "add_to_cart"),
            day("u", "a", 1),
            day("u", "b", 2),
            day("u", "b", 3, "view"),  # too late
            day("u", "c", 4),
            day("v", "c", 0, "view"),  # of another user
            day("v", "d", 5, "view"),
            day("v", "d", 5),
        ]
    )
    steps = {(step.of, step.by): step.share for step in funnel(data, Pairs.of(data.interactions, len(data.item_ids)))}
    assert steps == {("purchase", "view"): 2 / 4, ("purchase", "add_to_cart"): 1 / 4}


def test_without_purchases_every_type_is_held_against_every_other(dataset_of: Make, day: Make) -> None:
    data = dataset_of([day("u", "a", 0, "view"), day("u", "a", 1, "like"), day("u", "b", 2, "view")])
    steps = {(step.of, step.by): step.share for step in funnel(data, Pairs.of(data.interactions, len(data.item_ids)))}
    assert steps == {("view", "like"): 0.0, ("like", "view"): 1.0}
