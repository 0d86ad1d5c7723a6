"""EASE by the form that fits the data: in full, its leading part, or the head of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.sparse import csr_matrix

from recsys.arrays import Float32, Float64, Int64, frozen
from recsys.sources.ease import Ease
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sparse import SparseTable
from recsys.vector_index import VectorIndex

NAME = "ease"
N_SAMPLE = 128


@dataclass(frozen=True, slots=True)
class EaseSettings:
    """regularisation: λ in units of the mean diagonal of the smaller Gram matrix · rank: columns kept where the smaller
    side is larger than ``exact_below`` · most_users: above, the primal form over the ``most_items`` most used items is
    solved and ``n_neighbours`` of each kept · least_users: rarer items are left out · most_indexed: items searched.
    """

    regularisation: float = 3.0
    rank: int = 512
    exact_below: int = 1024
    most_users: int = 6_000
    most_items: int = 6_000
    n_neighbours: int = 200
    least_users: int = 3
    most_indexed: int = 7_500


class EaseForm(StrEnum):
    """Which equations are solved."""

    NONE = "none"  # too little is known
    DUAL = "dual"  # the matrix of users, when these are fewer
    PRIMAL = "primal"  # the matrix of items
    HEAD = "head"  # the inverse over the most used items


def form_of(n_users: int, n_items: int, settings: EaseSettings) -> EaseForm:
    """The form for users that have any of the items with enough users."""
    if min(n_users, n_items) < 2:
        return EaseForm.NONE
    if min(n_users, n_items) > settings.exact_below and n_users > settings.most_users:
        return EaseForm.HEAD
    return EaseForm.DUAL if n_users <= n_items else EaseForm.PRIMAL


def rank_of(n_users: int, n_items: int, settings: EaseSettings) -> int:
    """Columns kept of a spectral form: all of the smaller side where that is solved exactly."""
    size = min(n_users, n_items)
    return size if size <= settings.exact_below else settings.rank


def fit_ease(preferences: csr_matrix, *, settings: EaseSettings, seed: int) -> Ease | ItemNeighbours | None:
    """EASE of ``preferences`` (n_users, n_items) with rows of all users; None when too little is known for one.

    Users fewer than items: the dual (U x U) is decomposed; else the primal (I x I); a side up to ``exact_below`` is
    solved exactly, a larger one cut to ``rank``. Both large: the primal form of the head items, inverted, its largest
    entries kept. Memory: 8 bytes x (smaller side)², 4 bytes x items x rank.
    """
    items, matrix = known_part(preferences, settings.least_users)
    n_users, n_items = matrix.shape
    form = form_of(n_users, n_items, settings)
    if form is EaseForm.NONE:
        return None
    if form is EaseForm.HEAD:
        return _head(matrix, items, preferences.shape[1], settings)
    vectors, own = spectral(matrix, settings)
    rng = np.random.default_rng(seed)
    some = matrix[rng.integers(n_users, size=min(N_SAMPLE, n_users))]
    sample = np.ascontiguousarray(some @ (vectors * (1.0 - own)[:, None]), np.float32)
    users = np.bincount(matrix.indices, minlength=n_items)
    indexed = np.sort(np.argsort(-users, kind="stable")[: settings.most_indexed])
    index = VectorIndex.build(np.ascontiguousarray(vectors[indexed]), sample=sample, seed=seed)
    return Ease(vectors, own, frozen(items, np.int32), frozen(indexed, np.int32), index, NAME)


def known_part(preferences: csr_matrix, least_users: int) -> tuple[Int64, csr_matrix]:
    """Items (n,) with enough users, and the matrix of them and of the users who have any."""
    items = np.flatnonzero(np.bincount(preferences.indices, minlength=preferences.shape[1]) >= least_users)
    matrix = preferences[:, items].tocsr()
    return items, matrix[np.flatnonzero(np.diff(matrix.indptr))]


def spectral(matrix: csr_matrix, settings: EaseSettings) -> tuple[Float32, Float32]:
    """Z / (1 - d) (n_items, r) and d (n_items,) of ``recsys.sources.ease`` for preferences (n_users, n_items)."""
    n_users, n_items = matrix.shape
    dual = n_users <= n_items
    gram: Float64 = (matrix @ matrix.T if dual else matrix.T @ matrix).toarray().astype(np.float64)
    penalty = settings.regularisation * np.trace(gram) / len(gram)
    size = len(gram)
    rank = rank_of(n_users, n_items, settings)
    squares, side = eigh(gram, subset_by_index=(size - rank, size - 1), overwrite_a=True)
    squares = np.maximum(squares, 0.0)
    if dual:  # rows of V·σ/√(σ²+λ) = Xᵀ U / √(σ²+λ)
        z = matrix.T @ (side / np.sqrt(squares + penalty)).astype(np.float32)
    else:
        z = side * np.sqrt(squares / (squares + penalty))
    z = np.asarray(z, np.float32)
    own = np.minimum((z * z).sum(axis=1), 0.99).astype(np.float32)
    return frozen(z / (1.0 - own)[:, None], np.float32), frozen(own, np.float32)


def _head(matrix: csr_matrix, items: Int64, n_items: int, settings: EaseSettings) -> ItemNeighbours:
    head: Int64 = np.arange(len(items))
    if len(items) > settings.most_items:
        users = np.bincount(matrix.indices, minlength=len(items))
        head = np.sort(np.argsort(-users, kind="stable")[: settings.most_items])
    part = matrix[:, head].tocsr()
    gram = (part.T @ part).toarray().astype(np.float64)
    penalty = settings.regularisation * np.trace(gram) / len(gram)
    gram[np.diag_indices_from(gram)] += penalty
    inverse = cho_solve(cho_factor(gram, overwrite_a=True), np.eye(len(gram)), overwrite_b=True)
    weights = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return ItemNeighbours(table_of_largest(weights, items[head], n_items, settings.n_neighbours), NAME)


def table_of_largest(weights: Float32, items: Int64, n_items: int, most: int) -> SparseTable:
    """The ``most`` largest positive entries of each row of ``weights`` (n, n), as a table over all items."""
    most = min(most, weights.shape[1] - 1)
    columns = np.argpartition(-weights, most - 1, axis=1)[:, :most]
    values = np.take_along_axis(weights, columns, axis=1)
    rows, place = np.nonzero(values > 0)
    return SparseTable.of(items[rows], items[columns[rows, place]], values[rows, place], (n_items, n_items))
