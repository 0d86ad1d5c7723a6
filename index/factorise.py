"""Item factors by implicit-feedback ALS. The one module that knows ``implicit``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from recsys.als import FADE_WEEKS, ItemFactors
from recsys.arrays import Float32, Int32, frozen
from recsys.decay import age_weeks, exponential
from recsys.grouping import Groups
from recsys.interactions import Interactions


@dataclass(frozen=True, slots=True)
class AlsSettings:
    """Size and regularisation; chosen on Complete Journey validation windows."""

    factors: int = 64
    regularisation: float = 10.0
    alpha: float = 3.0
    iterations: int = 10
    least_users: int = 2


@dataclass(frozen=True, slots=True)
class Factorised:
    """Item side of the model, the items (n,) that have factors, and the training users' vectors (m, f)."""

    model: ItemFactors
    items: Int32
    users: Float32


def factorise(
    interactions: Interactions, n_users: int, n_items: int, *, at: int, settings: AlsSettings, seed: int
) -> Factorised | None:
    """The factorisation as of ``at``; None when too little is known for one.

    A preference is log1p of the faded sum of weights, as ``recsys.als`` folds users in. Items with fewer than
    ``least_users`` users stay at zero: their factors would be a copy of one user's.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    matrix = preferences(interactions, n_users, n_items, at)
    enough = np.asarray((matrix > 0).sum(axis=0)).ravel() >= settings.least_users
    items = np.flatnonzero(enough)
    matrix = matrix[:, items].tocsr()
    users = np.flatnonzero(np.diff(matrix.indptr))
    if not can_factorise(len(users), len(items)):
        return None
    matrix = matrix[users]
    matrix.data = 1.0 + settings.alpha * matrix.data
    width = min(settings.factors, len(users), len(items))
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=width,
            regularization=settings.regularisation,
            alpha=1.0,
            iterations=settings.iterations,
            random_state=seed,
        )
        model.fit(matrix, show_progress=False)
    factors: Float32 = np.zeros((n_items, width), np.float32)
    factors[items] = model.item_factors
    return Factorised(
        ItemFactors.of(factors, regularisation=settings.regularisation, alpha=settings.alpha),
        frozen(items, np.int32),
        frozen(model.user_factors, np.float32),
    )


def can_factorise(n_users: int, n_items: int) -> bool:
    """Whether users of items with enough users are enough for a factorisation."""
    return min(n_users, n_items) >= 2


def preferences(interactions: Interactions, n_users: int, n_items: int, at: int) -> csr_matrix:
    """(n_users, n_items) log1p of each pair's faded weight as of ``at``."""
    pairs = Groups.of(interactions.users.astype(np.int64) * n_items + interactions.items)
    faded = interactions.weights * exponential(age_weeks(interactions.times, at), FADE_WEEKS)
    values = np.log1p(pairs.sum(faded)).astype(np.float32)
    matrix = csr_matrix((values, (pairs.keys // n_items, pairs.keys % n_items)), shape=(n_users, n_items))
    matrix.eliminate_zeros()  # a stored zero would be trained as a liking, as in ``recsys.als``
    return matrix
