"""Second-stage scorers. The one module that knows LightGBM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np

from recsys.arrays import Float32, Float64
from recsys.errors import SnapshotCorrupt

RANK_CONSTANT = 60.0
BLOCK = 4_096


class Ranker(Protocol):
    """Scores rows of features; higher is better, comparable within one query only."""

    def score(self, features: Float32) -> Float64:
        """(C, F) -> (C,)."""


class Additive(Ranker, Protocol):
    """A ranker that can divide each score among the features."""

    def contributions(self, features: Float32) -> Float64:
        """(C, F) -> (C, F + 1): what each feature adds to the score, then what is there without any (the bias)."""


@dataclass(frozen=True, slots=True)
class Forest:
    """A LightGBM model. n_threads: 1 at serving, whose parallelism is its workers; more offline."""

    booster: Any
    n_threads: int = 1

    @classmethod
    def of_text(cls, text: str, feature_names: Sequence[str]) -> Forest:
        """Parse LightGBM's text format; its number of features must be the one the code computes."""
        try:
            booster = lgb.Booster(model_str=text)
        except lgb.basic.LightGBMError as error:
            raise SnapshotCorrupt("a ranker cannot be parsed") from error
        if booster.num_feature() != len(feature_names):
            raise SnapshotCorrupt(f"a ranker has {booster.num_feature()} features, not {len(feature_names)}")
        return cls(booster)

    @property
    def text(self) -> str:
        """LightGBM's text format."""
        return str(self.booster.model_to_string())

    def score(self, features: Float32) -> Float64:
        """(C,) raw scores."""
        if not len(features):
            return np.zeros(0)
        scores: Float64 = self.booster.predict(
            features, raw_score=True, num_threads=self.n_threads, validate_features=False
        )
        return scores

    def contributions(self, features: Float32) -> Float64:
        """(C, F + 1) exact Shapley values of the trees, the last column being the mean score of the training rows.

        Lundberg, Erion, Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018 (TreeSHAP).
        Time: hundreds of times that of ``score``.
        """
        if not len(features):
            return np.zeros((0, features.shape[1] + 1))
        divided: Float64 = self.booster.predict(
            features, pred_contrib=True, num_threads=self.n_threads, validate_features=False
        )
        return divided


@dataclass(frozen=True, slots=True)
class RankFusion:
    """Reciprocal rank fusion over the ``columns`` that hold source ranks: Σ 1 / (60 + rank).

    Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
    SIGIR 2009. Orders candidates where there was nothing to train a ranker on.
    """

    columns: tuple[int, ...]

    def score(self, features: Float32) -> Float64:
        """(C,) fused scores, above 0 for everything a source returned."""
        return by_block(lambda part: np.nansum(self._terms(part), axis=1), features)

    def contributions(self, features: Float32) -> Float64:
        """(C, F + 1): each source's term in the column of its rank."""
        return placed(np.nan_to_num(self._terms(features), nan=0.0), self.columns, features.shape[1])

    def _terms(self, features: Float32) -> Float64:
        ranks = features[:, list(self.columns)].astype(np.float64)
        terms: Float64 = 1.0 / (RANK_CONSTANT + 1.0 + ranks)
        return terms


def by_block(score: Callable[[Float32], Float64], features: Float32) -> Float64:
    """(C,) what ``score`` says of the rows of ``features`` (C, F), some thousands at a time.

    What is worked out between lies in the processor's cache then: a million rows in one go take four times as long.
    """
    if len(features) <= BLOCK:
        return score(features)
    return np.concatenate([score(features[start : start + BLOCK]) for start in range(0, len(features), BLOCK)])


def placed(terms: Float64, columns: Sequence[int], n_features: int) -> Float64:
    """(C, n_features + 1): ``terms`` (C, T) added up in their ``columns``, all else 0."""
    out = np.zeros((len(terms), n_features + 1))
    np.add.at(out.T, np.array(columns, np.int64), terms.T)
    return out
