"""Textbook methods, each with the few settings it is usually tuned over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from peers.ease import Scores, ease
from peers.history import History, Matrix
from scipy import sparse
from threadpoolctl import threadpool_limits

RECENT_WEEKS = 4
DAYS_LATELY = (7, 3, 1)
NEIGHBOUR_WEEKS = 8
Users = npt.NDArray[np.int64]
Block = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Method:
    """fit(history, **setting) returns scores of users (B,) -> (B, I) float32; exactly 0 = it has nothing to say.

    settings: what to choose from, the usual one first.
    """

    name: str
    fit: Callable[..., Scores]
    settings: tuple[Mapping[str, Any], ...] = ({},)


def popular(history: History, *, weeks: float | None = None, by_users: bool = True) -> Scores:
    """What most users took, or what was taken most often, ever or in the last ``weeks``."""
    counts = history.popularity(weeks=weeks, by_users=by_users)
    return lambda users: np.tile(counts, (len(users), 1))


def own_history(history: History, *, short: float = 3.0, long: float = 20.0, weight: float = 0.3) -> Scores:
    """A user's own items by decayed count, on two scales in weeks."""
    age = pl.col("weeks")
    value = pl.col("weight") * (weight * (-age / short).exp() + (-age / long).exp())
    decayed = history.matrix(value)
    return lambda users: np.asarray(decayed[users].todense(), np.float32)


def als(history: History, *, factors: int, regularization: float, alpha: float) -> Scores:
    """Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008; confidence log1p."""
    # The library starts threads of its own, which those of the BLAS would fight.
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, alpha=alpha, iterations=12, random_state=7
        )
        model.fit(history.counts(), show_progress=False)
    return lambda users: np.asarray(model.user_factors[users] @ model.item_factors.T, np.float32)


def item_knn(kind: Callable[..., Any]) -> Callable[..., Scores]:
    """Items like those a user took, similarities as ``kind`` of the library implicit weighs them."""

    def fit(history: History, **setting: Any) -> Scores:
        model = kind(num_threads=0, **setting)
        counts = history.counts()
        model.fit(counts, show_progress=False)
        return lambda users: np.asarray((counts[users] @ model.similarity).todense(), np.float32)

    return fit


def user_knn(history: History, *, n_neighbours: int, power: float = 0.25) -> Scores:
    """What the nearest users took in the last 8 weeks; cosine of rows after dividing items by frequency^power."""
    counts = history.counts()
    frequency = np.maximum(counts.getnnz(axis=0), 1).astype(np.float32)
    scaled = counts @ sparse.diags(frequency**-power)
    rows = _unit_rows(scaled.tocsr())
    taken = history.counts(weeks=NEIGHBOUR_WEEKS)

    def scores(users: Users) -> Block:
        likeness = np.asarray((rows[users] @ rows.T).todense(), np.float32)
        likeness[np.arange(len(users)), users] = 0.0
        if likeness.shape[1] > n_neighbours:
            bound = np.partition(likeness, -n_neighbours, axis=1)[:, -n_neighbours]
            likeness[likeness < bound[:, None]] = 0.0
        return np.asarray((sparse.csr_matrix(likeness) @ taken).todense(), np.float32)

    return scores


def _ease(history: History, *, strength: float) -> Scores:
    return ease(history.counts(), strength)


def _unit_rows(matrix: Matrix) -> Matrix:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1))).ravel()
    return (sparse.diags(1.0 / np.maximum(length, 1e-12)) @ matrix).astype(np.float32).tocsr()


_COUNTED = ({"by_users": True}, {"by_users": False})
_NEIGHBOURS = ({"K": 100}, {"K": 20}, {"K": 400})
METHODS = (
    Method("popular", popular, _COUNTED),
    Method("popular-4w", popular, tuple({"weeks": RECENT_WEEKS, **counted} for counted in _COUNTED)),
    # What is news for a day is long forgotten after four weeks.
    Method("popular-days", popular, tuple({"weeks": days / 7} for days in DAYS_LATELY)),
    Method("history", own_history),
    Method(
        "als",
        als,
        (
            {"factors": 64, "regularization": 10.0, "alpha": 3.0},
            {"factors": 128, "regularization": 1.0, "alpha": 10.0},
            {"factors": 64, "regularization": 0.1, "alpha": 1.0},
        ),
    ),
    Method("tfidf-knn", item_knn(TFIDFRecommender), _NEIGHBOURS),
    Method("bm25-knn", item_knn(BM25Recommender), _NEIGHBOURS),
    Method("cosine-knn", item_knn(CosineRecommender), _NEIGHBOURS),
    Method("user-knn", user_knn, ({"n_neighbours": 200}, {"n_neighbours": 50}, {"n_neighbours": 800})),
    Method("ease", _ease, ({"strength": 3.0}, {"strength": 1.0}, {"strength": 30.0}, {"strength": 200.0})),
)
