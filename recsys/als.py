"""Implicit-feedback matrix factorisation: a user's vector from a history, item factors fixed.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, equation 4:
x = (YᵀY + Yᵀ(C - I)Y + λI)⁻¹ Yᵀ C p, with confidences c = 1 + α·w on the user's items and 1 elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64, Int32, frozen
from recsys.decay import age_weeks, exponential
from recsys.grouping import Groups
from recsys.query import History, Query

# A preference fades slowly: an interaction keeps a third of its weight after this many weeks.
FADE_WEEKS = 40.0


def preference_weights(items: Int32, weights: Float64) -> tuple[Int32, Float32]:
    """Distinct items (m,) ascending and their preference log1p(Σ weight) (m,): repeats count, but ever less.

    Items of no weight are left out: the user did not like them, and in the equations a mention is a liking.
    """
    groups = Groups.of(items.astype(np.int64))
    total = groups.sum(weights)
    liked = total > 0
    return frozen(groups.keys[liked], np.int32), np.log1p(total[liked]).astype(np.float32)


def faded(history: History, at: int) -> Float64:
    """Each interaction's weight as of ``at`` (n,): what both training and fold-in give the model."""
    return history.weights * exponential(age_weeks(history.times, at), FADE_WEEKS)


@dataclass(frozen=True, slots=True)
class ItemFactors:
    """Item side of the factorisation.

    factors (n_items, f) float32, zero rows for items without interactions · gram (f, f) = YᵀY + λI ·
    alpha: how much a unit of preference adds to the confidence.
    """

    factors: Float32
    gram: Float64
    alpha: float

    @classmethod
    def of(cls, factors: Float32, *, regularisation: float, alpha: float) -> ItemFactors:
        """Precompute the part of the normal equations that no user changes."""
        gram = factors.T.astype(np.float64) @ factors.astype(np.float64)
        return cls(frozen(factors, np.float32), gram + regularisation * np.eye(factors.shape[1]), alpha)

    def fold_in(self, items: Int32, preferences: Float32) -> Float32:
        """The user vector (f,) of distinct ``items`` (m,) with ``preferences`` (m,): one f x f solve."""
        y = self.factors[items].astype(np.float64)
        extra = self.alpha * preferences.astype(np.float64)
        matrix = self.gram + (y * extra[:, None]).T @ y
        return np.linalg.solve(matrix, y.T @ (1.0 + extra)).astype(np.float32)

    def user_vector(self, history: History, at: int) -> Float32:
        """The vector of a whole history as of ``at``."""
        return self.fold_in(*preference_weights(history.items, faded(history, at)))

    def vector_of(self, query: Query) -> Float32:
        """The vector of the query's user, worked out once a query."""
        return query.remember((ItemFactors, id(self)), lambda: self.user_vector(query.history, query.at))
