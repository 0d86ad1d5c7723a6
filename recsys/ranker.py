"""Second-stage scorers. The one module that knows LightGBM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np

from recsys.arrays import Float32, Float64
from recsys.errors import SnapshotCorrupt

RANK_CONSTANT = 60.0


class Ranker(Protocol):
    """Scores rows of features; higher is better, comparable within one query only."""

    def score(self, features: Float32) -> Float64:
        """(C, F) -> (C,)."""


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


@dataclass(frozen=True, slots=True)
class RankFusion:
    """Reciprocal rank fusion over the ``columns`` that hold source ranks: Σ 1 / (60 + rank).

    Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
    SIGIR 2009. Orders candidates where there was nothing to train a ranker on.
    """

    columns: tuple[int, ...]

    def score(self, features: Float32) -> Float64:
        """(C,) fused scores, above 0 for everything a source returned."""
        ranks = features[:, list(self.columns)].astype(np.float64)
        fused: Float64 = np.nansum(1.0 / (RANK_CONSTANT + 1.0 + ranks), axis=1)
        return fused
