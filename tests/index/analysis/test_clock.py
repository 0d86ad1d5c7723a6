from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from index.analysis.clock import Clock

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("days", "step_s", "at_midnight"),
    [
        ((0, 1, 5), 86_400, 1.0),
        ((0.25, 1.25, 5.25), 86_400, 0.0),  # midnight somewhere else
        ((0, 1 / 24, 5), 3_600, 2 / 3),
        ((0, 1 / 1_440, 5), 60, 2 / 3),
        ((0, 1 / 86_400, 5), 1, 2 / 3),
        ((3,), 86_400, 1.0),
    ],
)
def test_the_clock_is_as_coarse_as_the_times_allow(
    dataset_of: Make, day: Make, days: tuple[float, ...], step_s: int, at_midnight: float
) -> None:
    clock = Clock.of(dataset_of([day("u", f"i{n}", at) for n, at in enumerate(days)]).interactions)
    assert (clock.step_s, clock.share_at_midnight, clock.share_sharing_time) == (step_s, pytest.approx(at_midnight), 0)
