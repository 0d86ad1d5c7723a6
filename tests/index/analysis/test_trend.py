from __future__ import annotations

import math

import pytest

from index.analysis.trend import ASCII_BARS, BARS, trend


@pytest.mark.parametrize(
    ("values", "marks", "shown"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], BARS, "▁▂▃▄▅▆▇██"),
        ([math.nan, 50, 100], BARS, " ▅█"),
        ([0, 0], BARS, "▁▁"),
        ([math.nan, math.nan], BARS, "  "),
        ([], BARS, ""),
        ([1, 5, 10], ASCII_BARS, "_+@"),
    ],
)
def test_heights_are_measured_from_nothing_to_the_most(values: list[float], marks: str, shown: str) -> None:
    assert trend(values, marks) == shown
