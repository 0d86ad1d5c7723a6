"""Shares, quantiles and entropies: how a count is spread over users, items or values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float64, Int64


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Least, quartiles, 95th percentile, most and mean; between two values, linear. All NaN of nothing."""

    least: float
    q25: float
    median: float
    q75: float
    q95: float
    most: float
    mean: float

    @classmethod
    def of(cls, counts: Int64) -> Quantiles:
        """The quantiles of ``counts`` (n,)."""
        if not len(counts):
            return cls(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)
        least, q25, median, q75, q95, most = (float(v) for v in np.quantile(counts, (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)))
        return cls(least, q25, median, q75, q95, most, float(np.mean(counts)))


def share(holds: Bool) -> float:
    """The share of ``holds`` (n,) that is True; NaN of nothing."""
    return float(holds.mean()) if len(holds) else math.nan


def entropy_bits(shares: Float64) -> float:
    """Shannon entropy of ``shares`` (n,) that sum to 1."""
    some = shares[shares > 0]
    # An entropy of one certainty is 0, and not the -0.0 that the minus sign would make of it.
    return abs(float(np.sum(some * np.log2(some))))
