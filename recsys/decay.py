"""Time decay: how much an interaction of some age still counts."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Float64, Int64

WEEK_S = 7 * 86_400
DAY_S = 86_400


def age_weeks(times: Int64, at: Int64 | int) -> Float64:
    """Age in weeks of events at ``times`` (epoch seconds) seen from ``at``; never negative."""
    return np.maximum(at - times, 0) / WEEK_S


def exponential(ages: Float64, scale_weeks: float) -> Float64:
    """e^(-age/scale): the share of its weight an event of that age keeps."""
    return np.exp(ages / -scale_weeks)


def two_scale(ages: Float64) -> Float64:
    """0.3 e^(-age/3) + e^(-age/20), ages in weeks: recent purchases count more, habits are not forgotten.

    Scales chosen on Complete Journey validation windows; two scales beat the best single one by .002–.004 NDCG@10.
    """
    return 0.3 * exponential(ages, 3.0) + exponential(ages, 20.0)
