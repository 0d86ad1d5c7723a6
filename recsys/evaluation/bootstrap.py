"""How far a mean over users, or a paired difference of two, would move had other users come.

Percentile bootstrap: Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. Users are drawn, not
rows: somebody who was scored in several windows comes with all of them or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Float64

N_RESAMPLES = 2_000
LEVEL = 0.95
# Draws held at a time: 32 MB of them, and as much again of weights.
_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it would lie with ``LEVEL`` confidence; NaN bounds where one user or none was scored."""

    mean: float
    low: float
    high: float
    n_users: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside: of a difference, whether it is more than the choice of users would make."""
        return self.low > 0 or self.high < 0


def intervals(
    columns: Mapping[str, Float64], users: NDArray[np.generic], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """The mean of each column (n,) and its interval; ``users`` (n,) names the user of each row.

    All columns see the same resamples, whatever other columns there are, so that figures can be set side by side. A
    mean is over rows: a user with two of them weighs twice, as in the figure the interval belongs to.
    """
    if not columns:
        return {}
    distinct, owner = np.unique(users, return_inverse=True)
    n_users, n_rows = len(distinct), len(users)
    if n_rows == 0:
        return {name: Interval(np.nan, np.nan, np.nan, 0) for name in columns}
    sums = np.zeros((n_users, len(columns)))
    for position, column in enumerate(columns.values()):
        sums[:, position] = np.bincount(owner, weights=column)
    counts = np.bincount(owner, minlength=n_users).astype(np.float64)
    means = sums.sum(axis=0) / n_rows
    if n_users < 2:
        low = high = np.full(len(means), np.nan)
    else:
        tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        low, high = np.quantile(_resampled(sums, counts, n_resamples, seed), tails, axis=0)
    return {
        name: Interval(float(mean), float(least), float(most), n_users)
        for name, mean, least, most in zip(columns, means, low, high, strict=True)
    }


def differences(
    columns: Mapping[str, Float64],
    reference: str,
    users: NDArray[np.generic],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """``reference`` minus every other column, user by user, with the interval of the mean difference."""
    paired = {name: columns[reference] - column for name, column in columns.items() if name != reference}
    return intervals(paired, users, n_resamples=n_resamples, seed=seed)


def _resampled(sums: Float64, counts: Float64, n_resamples: int, seed: int) -> Float64:
    """Means (n_resamples, M) of users drawn with replacement from those with ``sums`` (U, M) over ``counts`` rows."""
    rng = np.random.default_rng(seed)
    n_users = len(counts)
    at_once = max(_CELLS // n_users, 1)
    means = []
    for start in range(0, n_resamples, at_once):
        n_here = min(at_once, n_resamples - start)
        drawn = rng.integers(0, n_users, (n_here, n_users))
        drawn += np.arange(n_here)[:, None] * n_users
        weights = np.bincount(drawn.ravel(), minlength=n_here * n_users).reshape(n_here, n_users).astype(np.float64)
        means.append((weights @ sums) / (weights @ counts)[:, None])
    return np.concatenate(means)
