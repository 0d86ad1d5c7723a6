"""When a difference is more than luck."""

from __future__ import annotations

import math

from recsys.arrays import Float64


def convinces(gain: Float64, n_errors: float) -> bool:
    """Whether the mean of ``gain`` (Q,), a paired difference by user, is above so many of its standard errors."""
    # One user has no spread to tell luck by.
    error = float(gain.std(ddof=1)) / len(gain) ** 0.5 if len(gain) > 1 else math.inf
    return float(gain.mean()) > n_errors * error
