"""Ways to make one order of what the sources returned; a snapshot names the one that did best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np

from recsys.arrays import Float32, Float64
from recsys.errors import SnapshotCorrupt
from recsys.features.platform import PLATFORM
from recsys.features.profile import PROFILE
from recsys.ranker import Additive, Ranker, RankFusion, by_block, placed

FOREST, STACKED, LINEAR, RECIPROCAL_RANK, SOURCE = "forest", "stacked", "linear", "reciprocal-rank", "source"
# How fast a place loses worth in the weighted fusion: the tenth place counts half of the first.
HALF_PLACE = 10.0
FARTHEST = 5.0

AnyRanker = TypeVar("AnyRanker", bound=Ranker, covariant=True)


@dataclass(frozen=True, slots=True)
class LinearFusion:
    """Weighted fusion of scores and ranks: a logistic model over them, in log-odds up to a constant.

    names: feature columns, ``<source>_rank`` counted as 1 / (1 + rank / 10) and others as standardised scores, both 0
    where the source has nothing to say · centres, scales, weights: one a name.
    """

    names: tuple[str, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]

    def inputs(self, features: Float32, columns: Sequence[int]) -> Float64:
        """(C, len(names)) what is weighed, from the ``columns`` of ``names`` in ``features`` (C, F)."""
        values = features[:, list(columns)].astype(np.float64)
        ranks = np.array([is_rank(name) for name in self.names], bool)
        scaled = np.clip((values - np.array(self.centres)) / np.array(self.scales), -FARTHEST, FARTHEST)
        return np.nan_to_num(np.where(ranks, 1.0 / (1.0 + values / HALF_PLACE), scaled), nan=0.0)

    def bound(self, feature_names: Sequence[str]) -> Additive:
        """The ranker over features of those names. SnapshotCorrupt when one it weighs is missing."""
        return _Linear(self, columns_of(self.names, feature_names))


@dataclass(frozen=True, slots=True)
class _Linear:
    fusion: LinearFusion
    columns: tuple[int, ...]

    def score(self, features: Float32) -> Float64:
        # A sum row by row, not a matrix product, whose last bits depend on how many rows there are.
        return by_block(lambda part: self._terms(part).sum(axis=1), features)

    def contributions(self, features: Float32) -> Float64:
        """Each weighted term in the column it is made of."""
        return placed(self._terms(features), self.columns, features.shape[1])

    def _terms(self, features: Float32) -> Float64:
        terms: Float64 = self.fusion.inputs(features, self.columns) * np.array(self.fusion.weights)
        return terms


@dataclass(frozen=True, slots=True)
class _Stacked(Generic[AnyRanker]):
    """The mean of two models' log-odds."""

    forest: AnyRanker
    linear: Additive

    def score(self, features: Float32) -> Float64:
        return 0.5 * (self.forest.score(features) + self.linear.score(features))

    def contributions(self: _Stacked[Additive], features: Float32) -> Float64:
        """Half of what each adds."""
        return 0.5 * (self.forest.contributions(features) + self.linear.contributions(features))


@dataclass(frozen=True, slots=True)
class _SourceOrder:
    """One source's own order, by its score of every candidate or by its rank, in (0, 2); what it does not know comes
    below 0 in the order of all sources' reciprocal ranks: a stranger to it is still given what others return.
    """

    rank: int
    closeness: int | None
    others: Additive

    def score(self, features: Float32) -> Float64:
        by_rank = 1.0 / (1.0 + features[:, self.rank].astype(np.float64))
        known = by_rank
        if self.closeness is not None:
            # Bounded, so that nothing known is below what is not; equal scores are told apart by what it returned.
            known = 1.0 + self._bounded(features, self.closeness) + 1e-9 * np.nan_to_num(by_rank, nan=0.0)
        if not (unknown := np.isnan(known)).any():
            return known
        return np.where(unknown, self.others.score(features) - 1.0, known)

    def contributions(self, features: Float32) -> Float64:
        """Its score and its rank, and for what it does not know the others' terms; constants are the bias."""
        by_rank = 1.0 / (1.0 + features[:, [self.rank]].astype(np.float64))
        terms, columns, bias = by_rank, [self.rank], 0.0
        if self.closeness is not None:
            bounded = self._bounded(features, self.closeness)[:, None]
            terms = np.concatenate([bounded, 1e-9 * np.nan_to_num(by_rank, nan=0.0)], axis=1)
            columns, bias = [self.closeness, self.rank], 1.0
        known, others = placed(terms, columns, features.shape[1]), self.others.contributions(features)
        known[:, -1], others[:, -1] = bias, -1.0
        return np.where(np.isnan(terms[:, :1]), others, known)

    def _bounded(self, features: Float32, column: int) -> Float64:
        score = features[:, column].astype(np.float64)
        bounded: Float64 = score / (1.0 + np.abs(score))
        return bounded


@dataclass(frozen=True, slots=True)
class Fusion:
    """kind: one of this module's · linear: weights, for ``linear`` and ``stacked`` · source: the one of ``source``."""

    kind: str
    linear: LinearFusion | None = None
    source: str = ""

    @property
    def label(self) -> str:
        """For people: the kind, and the source where one answers alone."""
        return f"{self.kind} {self.source}".strip()

    @property
    def needs_forest(self) -> bool:
        """Whether a trained forest has a say."""
        return self.kind in (FOREST, STACKED)

    @property
    def in_log_odds(self) -> bool:
        """Whether scores are log-odds, of taking the item or of doing anything with it, up to a constant: policies can
        trade against those.
        """
        return self.kind in (FOREST, STACKED, LINEAR)

    @overload
    def bound(self, feature_names: Sequence[str], forest: Additive | None) -> Additive: ...
    @overload
    def bound(self, feature_names: Sequence[str], forest: Ranker | None) -> Ranker: ...
    def bound(self, feature_names: Sequence[str], forest: Ranker | None) -> Ranker:
        """The ranker over features of those names. SnapshotCorrupt when a part of it is missing."""
        by_rank = RankFusion(tuple(i for i, name in enumerate(feature_names) if is_rank(name)))
        if self.kind == RECIPROCAL_RANK:
            return by_rank
        if self.kind == SOURCE:
            closeness = f"{self.source}_closeness"
            rank = columns_of((f"{self.source}_rank",), feature_names)[0]
            column = feature_names.index(closeness) if closeness in feature_names else None
            return _SourceOrder(rank, column, by_rank)
        if self.needs_forest and forest is None:
            raise SnapshotCorrupt(f"fusion {self.kind} needs a ranker that is not in the snapshot")
        if self.kind == FOREST and forest is not None:
            return forest
        if self.linear is None:
            raise SnapshotCorrupt(f"fusion {self.kind} has no weights")
        linear = self.linear.bound(feature_names)
        return linear if self.kind == LINEAR or forest is None else _Stacked(forest, linear)

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of ``from_json``."""
        weights = None
        if self.linear is not None:
            parts = (self.linear.names, self.linear.centres, self.linear.scales, self.linear.weights)
            weights = [list(row) for row in zip(*parts, strict=True)]
        return {"kind": self.kind, "source": self.source, "weights": weights}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fusion:
        """The fusion that ``to_json`` wrote. SnapshotCorrupt when it is none."""
        try:
            if values["kind"] not in (FOREST, STACKED, LINEAR, RECIPROCAL_RANK, SOURCE):
                raise ValueError(values["kind"])
            linear = None
            if values["weights"] is not None:
                names, *numbers = zip(*values["weights"], strict=True)
                linear = LinearFusion(tuple(names), *(tuple(map(float, column)) for column in numbers))
            return cls(values["kind"], linear, str(values["source"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotCorrupt("fusions.json holds something that is no fusion") from error


def of_source(name: str) -> bool:
    """Whether a feature is a rank, score or closeness of a source. Profile columns and platforms may have any name."""
    return name.endswith(("_rank", "_score", "_closeness")) and not name.startswith((PROFILE, PLATFORM))


def is_rank(name: str) -> bool:
    """Whether a feature is the rank a source gave."""
    return of_source(name) and name.endswith("_rank")


def columns_of(wanted: Sequence[str], feature_names: Sequence[str]) -> tuple[int, ...]:
    """Positions of ``wanted`` among ``feature_names``. SnapshotCorrupt when one is missing."""
    place = {name: position for position, name in enumerate(feature_names)}
    try:
        return tuple(place[name] for name in wanted)
    except KeyError as error:
        raise SnapshotCorrupt(f"a fusion weighs {error.args[0]!r}, which is no feature") from error
