"""Sources of plain matrices, by the plainest arithmetic there is."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.arrays import frozen
from recsys.sources.ease import Ease
from recsys.sources.item2vec import Item2Vec
from recsys.sources.two_tower import TwoTowerSource
from recsys.sparse import SparseTable
from recsys.two_tower import FADES_WEEKS, TwoTower
from recsys.vector_index import VectorIndex


def sparse_of(dense: Any) -> SparseTable:
    """The table of a matrix's entries that are not 0."""
    values = np.array(dense, np.float32)
    rows, columns = np.nonzero(values)
    return SparseTable.of(rows, columns, values[rows, columns], (values.shape[0], values.shape[1]))


def ease_of(preferences: Any, *, penalty: float, items: Any = None, indexed: Any = None) -> Ease:
    """EASE of ``preferences`` (n_users, n) in full, by their singular values; columns are ``items`` (n,)."""
    _, singular, right = np.linalg.svd(np.array(preferences, np.float64), full_matrices=False)
    z = right.T * (singular / np.sqrt(singular**2 + penalty))
    own = (z**2).sum(axis=1)
    vectors = np.ascontiguousarray(z / (1.0 - own)[:, None], np.float32)
    rows = np.arange(len(vectors)) if indexed is None else np.asarray(indexed)
    index = VectorIndex.build(np.ascontiguousarray(vectors[rows]), sample=vectors[:2], seed=0)
    return Ease(
        frozen(vectors, np.float32),
        frozen(own, np.float32),
        frozen(np.arange(len(vectors)) if items is None else items, np.int32),
        frozen(rows, np.int32),
        index,
    )


def item2vec_of(taken: Any, beside: Any = None, *, items: Any = None) -> Item2Vec:
    """Item2Vec of vectors (n, d), those of ``taken`` brought to length 1; rows are ``items`` (n,)."""
    vectors = np.array(taken, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    others = vectors if beside is None else np.array(beside, np.float32)
    rows = frozen(np.arange(len(vectors)) if items is None else items, np.int32)
    index = VectorIndex.build(others, sample=vectors[:2], seed=0)
    return Item2Vec(frozen(vectors, np.float32), frozen(others, np.float32), rows, index)


def towers_of(
    vectors: Any, ids: Any, *, n_spans: int = 1, bins: Any = None, items: Any = None, seed: int = 0, hidden: int = 3
) -> TwoTowerSource:
    """Two towers whose items have ``vectors`` (n, d + n_spans) and ids (n_items, d) that a user is pooled from.

    The user's tower adds the two pooled directions, weighs every chance by a half, and a little of something else.
    """
    rng = np.random.default_rng(seed)
    inputs = np.array(ids, np.float32)
    width, n_fades = inputs.shape[1], len(FADES_WEEKS)
    n_told = n_fades * (width + 1) + 1 + 2
    linear = np.zeros((n_told, width + n_spans))
    linear[: n_fades * width, :width] = np.vstack([np.eye(width)] * n_fades)
    table = np.array(vectors, np.float32)
    model = TwoTower(
        vectors=frozen(table, np.float32),
        items=frozen(np.arange(len(table)) if items is None else items, np.int32),
        inputs=frozen(inputs, np.float32),
        centres=frozen(np.full((n_fades, width), 0.1), np.float32),
        bins=frozen(np.empty((9, 0)) if bins is None else bins, np.int32),
        profile=frozen(rng.normal(size=(0 if bins is None else int(np.max(bins)) + 1, 2)), np.float32),
        linear=frozen(linear, np.float32),
        bias=frozen(np.append(np.zeros(width), np.full(n_spans, 0.5)), np.float32),
        hidden=frozen(rng.normal(size=(n_told, hidden)), np.float32),
        hidden_bias=frozen(rng.normal(size=hidden), np.float32),
        top=frozen(0.1 * rng.normal(size=(hidden, width)), np.float32),
    )
    return TwoTowerSource(model, VectorIndex.build(table, sample=table[:2], seed=0))
