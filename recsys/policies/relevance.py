"""The ranker's scores in log-odds, the one scale on which every policy weighs them against something else."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Float32, Float64

# From the first to the last of a pool, in log-odds: what a forest gives the 100 best candidates of a regular customer.
SPAN = 4.0
# Below every score, yet a number: what has no score stays last and keeps its order.
UNSCORED = -1e30


def log_odds(scores: Float32, *, trained: bool) -> Float64:
    """(N,) log-odds of ``scores`` (N,), all finite; NaN becomes ``UNSCORED``.

    trained: scores of a forest with a binary objective are log-odds already. Learning from a share of the negatives
    moves them all by one constant, which no choice between items notices; probabilities would not be so lucky.
    Otherwise (fused ranks, which have no scale) the scores are stretched so that the pool spans ``SPAN``.
    """
    values = scores.astype(np.float64)
    if not trained:
        known = np.isfinite(values)
        height = np.ptp(values[known]) if known.any() else 0.0
        values[known] -= values[known].min(initial=np.inf)
        values[known] *= SPAN / height if height else 0.0
    return np.nan_to_num(values, copy=False, nan=UNSCORED, posinf=-UNSCORED, neginf=UNSCORED)
