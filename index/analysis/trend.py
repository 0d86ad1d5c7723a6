"""A row of numbers as a row of signs."""

from __future__ import annotations

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
# For a screen that can show nothing else.
ASCII_BARS = "_.-=+*#@"


def trend(values: Sequence[float], marks: str = BARS) -> str:
    """One sign a value, its height measured from 0 to the largest; a gap where it is NaN."""
    most = max((value for value in values if math.isfinite(value)), default=0.0)
    return "".join(_mark(value / most if most > 0 else 0.0, marks) if math.isfinite(value) else " " for value in values)


def _mark(height: float, marks: str) -> str:
    return marks[min(int(height * len(marks)), len(marks) - 1)]
