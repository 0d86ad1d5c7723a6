"""EASE: a linear item-to-item model with a closed solution.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. The weights B of X ≈ X B with a zero diagonal
are B = I - P / diag(P) with P = (XᵀX + λI)⁻¹. With fewer users than items the same scores come from a matrix of users
by users: with A = (XXᵀ + λI)⁻¹, S = A X and d_j = x_jᵀ S_j, the scores are X - λ S / (1 - d).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from peers.history import Matrix
from scipy import linalg

Scores = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
LARGEST = 12_000


def ease(taken: Matrix, strength: float) -> Scores:
    """Scores of users (B,) -> (B, I) float32 from ``taken`` (U, I); λ = ``strength`` x the mean squared row length.

    With more than 12,000 of both users and items, only the most frequent 12,000 items are modelled, the others score 0.
    """
    n_users, n_items = taken.shape
    penalty = strength * float(taken.multiply(taken).sum()) / max(n_users, 1)
    if n_items <= min(n_users, LARGEST):
        return _primal(taken, penalty)
    if n_users <= LARGEST:
        return _dual(taken, penalty)
    frequent = np.sort(np.argsort(-taken.getnnz(axis=0), kind="stable")[:LARGEST])
    scores = _primal(taken[:, frequent].tocsr(), penalty)

    def among_frequent(users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        full = np.zeros((len(users), n_items), np.float32)
        full[:, frequent] = scores(users)
        return full

    return among_frequent


def _primal(taken: Matrix, penalty: float) -> Scores:
    gram = np.asarray((taken.T @ taken).todense(), np.float32)
    inverse = _inverse(gram, penalty)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return lambda users: np.asarray(taken[users] @ weights, np.float32)


def _dual(taken: Matrix, penalty: float, n_columns: int = 4096) -> Scores:
    inverse = _inverse(np.asarray((taken @ taken.T).todense(), np.float32), penalty)
    columns = taken.tocsc()
    reach = np.empty(taken.shape[1], np.float32)
    for start in range(0, taken.shape[1], n_columns):
        some = columns[:, start : start + n_columns]
        through = np.asarray(inverse @ some, np.float32)
        reach[start : start + n_columns] = np.asarray(some.multiply(through).sum(axis=0)).ravel()
    # An item that one user took alone is explained by nobody else: without the floor its own user would divide by ~0.
    share = np.maximum(1.0 - reach, 1e-6)

    def scores(users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        own = np.asarray(taken[users].todense(), np.float32)
        return own - penalty * np.asarray(inverse[users] @ taken, np.float32) / share

    return scores


def _inverse(gram: npt.NDArray[np.float32], penalty: float) -> npt.NDArray[np.float32]:
    gram[np.diag_indices_from(gram)] += penalty
    factor = linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    inverse, failed = linalg.lapack.spotri(factor, lower=1, overwrite_c=True)
    if failed:
        raise ValueError("the item matrix is singular; EASE needs a larger penalty")
    return np.tril(inverse) + np.tril(inverse, -1).T
