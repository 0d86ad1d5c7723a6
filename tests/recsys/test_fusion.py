from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from recsys.arrays import Float32, Float64
from recsys.errors import SnapshotCorrupt
from recsys.fusion import (
    FARTHEST,
    FOREST,
    LINEAR,
    SOURCE,
    STACKED,
    Fusion,
    LinearFusion,
    columns_of,
    is_rank,
    of_source,
)
from tests.every_fusion import every_fusion

NAN = math.nan
NAMES = ("history_rank", "als_rank", "history_score", "own_due", "als_closeness", "profile: income_rank")
FEATURES = np.array(
    [
        [0, 2, 9.0, 1.0, -0.5, 1],
        [1, NAN, 4.0, NAN, 3.0, 2],
        [NAN, 0, NAN, 5.0, 3.0, 3],
        [NAN, 1, NAN, 0.0, NAN, 4],
        [NAN, NAN, NAN, 2.0, NAN, 5],
    ],
    np.float32,
)
WEIGHED = LinearFusion(
    ("als_rank", "als_closeness", "own_due"), centres=(7.0, 1.0, 2.0), scales=(3.0, 2.0, 0.5), weights=(2.0, -1.0, 0.25)
)
FUSIONS = every_fusion(WEIGHED, scorer="als")


@dataclass(frozen=True, slots=True)
class Fourth:
    """A ranker by one column, ten times its value."""

    def score(self, features: Float32) -> Float64:
        return 10.0 * features[:, 3].astype(np.float64)


def scores_of(fusion: Fusion, features: Float32 = FEATURES) -> list[float]:
    return fusion.bound(NAMES, Fourth()).score(features).tolist()


def weighed(rank: float, closeness: float, due: float) -> float:
    """Of inputs that are scaled already."""
    return 2.0 * rank - closeness + 0.25 * due


LINEAR_SCORES = [
    weighed(1 / 1.2, -0.75, -2.0),
    # What a source does not say counts 0, and so does a record that is not there.
    weighed(0, 1.0, 0),
    # Farther than five scales is five.
    weighed(1.0, 1.0, FARTHEST),
    weighed(1 / 1.1, 0, -4.0),
    weighed(0, 0, 0),
]
RANK_SCORES = [1 / 61 + 1 / 63, 1 / 62, 1 / 61, 1 / 62, 0.0]


def test_weights_are_of_places_and_of_scaled_scores() -> None:
    assert scores_of(FUSIONS["linear"]) == pytest.approx(LINEAR_SCORES, rel=1e-6)


def test_stacked_is_the_mean_of_both() -> None:
    features = np.nan_to_num(FEATURES[:, [3]], nan=0.0)
    filled = np.column_stack([FEATURES[:, :3], features, FEATURES[:, 4:]])
    linear = scores_of(FUSIONS["linear"], filled)
    expected = [(10.0 * due + score) / 2 for due, score in zip(features[:, 0].tolist(), linear, strict=True)]
    assert scores_of(FUSIONS["stacked"], filled) == pytest.approx(expected, rel=1e-9)


def test_a_forest_scores_alone() -> None:
    forest = Fourth()
    assert Fusion(FOREST).bound(NAMES, forest) is forest


def test_reciprocal_ranks_are_of_sources_alone() -> None:
    # A profile column may have any name: it ranks nothing.
    assert scores_of(FUSIONS["reciprocal ranks"]) == pytest.approx(RANK_SCORES, rel=1e-9)


def test_one_source_orders_by_its_score_of_everything_then_by_what_it_returned() -> None:
    scores = scores_of(FUSIONS["scorer"])
    # Rows 1 and 2 have one score, row 2 was returned; rows 3 and 4 have none and come by the ranks of all sources.
    assert np.argsort(scores)[::-1].tolist() == [2, 1, 0, 3, 4]
    assert scores[:3] == pytest.approx([1 - 0.5 / 1.5, 1 + 3 / 4, 1 + 3 / 4], abs=1e-8)
    assert scores[3:] == pytest.approx([RANK_SCORES[3] - 1, -1.0])


def test_one_source_that_scores_nothing_else_orders_by_its_ranks() -> None:
    scores = scores_of(FUSIONS["by rank"])
    assert scores == pytest.approx([1.0, 0.5, RANK_SCORES[2] - 1, RANK_SCORES[3] - 1, -1.0])


@pytest.mark.parametrize("low", [-1e30, -50.0, -1.0])
def test_whatever_a_source_knows_is_above_what_it_does_not(low: float) -> None:
    features = FEATURES.copy()
    features[0, 4] = low
    scores = scores_of(FUSIONS["scorer"], features)
    assert min(scores[:3]) >= 0 > max(scores[3:])


def test_who_is_unknown_to_the_one_source_is_given_the_order_of_all() -> None:
    features = FEATURES.copy()
    features[:, 4] = NAN
    order = np.argsort(-np.array(scores_of(FUSIONS["scorer"], features)), kind="stable")
    assert order.tolist() == np.argsort(-np.array(RANK_SCORES), kind="stable").tolist()


@pytest.mark.parametrize("name", [name for name in FUSIONS if name != "forest"])
def test_a_row_has_the_very_score_it_has_beside_others(name: str) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(37, len(NAMES))).astype(np.float32)
    features[:, :2] = rng.integers(0, 50, (37, 2))
    features[rng.random(features.shape) < 0.3] = NAN
    ranker = FUSIONS[name].bound(NAMES, Fourth())
    together = ranker.score(features)
    alone = np.concatenate([ranker.score(features[row : row + 1]) for row in range(37)])
    assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("name", FUSIONS)
def test_no_rows_no_scores(name: str) -> None:
    assert scores_of(FUSIONS[name], FEATURES[:0]) == []


@pytest.mark.parametrize("name", FUSIONS)
def test_a_fusion_survives_json(name: str) -> None:
    assert Fusion.from_json(json.loads(json.dumps(FUSIONS[name].to_json()))) == FUSIONS[name]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "magic"},
        {"kind": None},
        {"weights": 3},
        {"weights": []},
        {"weights": [["als_rank", 1.0, 1.0]]},
        {"weights": [["als_rank", 1.0, 1.0, 1.0], ["own_due", 1.0]]},
        {"weights": [["als_rank", "far", 1.0, 1.0]]},
    ],
)
def test_what_is_no_fusion_is_refused(change: Mapping[str, Any]) -> None:
    with pytest.raises(SnapshotCorrupt, match=r"fusions\.json"):
        Fusion.from_json(FUSIONS["linear"].to_json() | change)


@pytest.mark.parametrize("missing", ["kind", "weights", "source"])
def test_a_fusion_that_lacks_a_field_is_refused(missing: str) -> None:
    values = FUSIONS["linear"].to_json()
    del values[missing]
    with pytest.raises(SnapshotCorrupt, match=r"fusions\.json"):
        Fusion.from_json(values)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        (Fusion(LINEAR, replace(WEIGHED, names=("als_rank", "gone", "own_due"))), "'gone'"),
        (Fusion(STACKED, replace(WEIGHED, names=("als_rank", "gone", "own_due"))), "'gone'"),
        (Fusion(LINEAR), "no weights"),
        (Fusion(STACKED), "no weights"),
        (Fusion(SOURCE, source="content"), "'content_rank'"),
    ],
)
def test_a_fusion_of_what_is_not_there_is_refused(fusion: Fusion, message: str) -> None:
    with pytest.raises(SnapshotCorrupt, match=message):
        fusion.bound(NAMES, Fourth())


@pytest.mark.parametrize("name", ["forest", "stacked"])
def test_a_fusion_that_needs_a_forest_is_refused_without_one(name: str) -> None:
    assert FUSIONS[name].needs_forest
    with pytest.raises(SnapshotCorrupt, match="needs a ranker"):
        FUSIONS[name].bound(NAMES, None)


@pytest.mark.parametrize("name", ["linear", "reciprocal ranks", "scorer", "by rank"])
def test_the_others_do_without(name: str) -> None:
    assert not FUSIONS[name].needs_forest
    assert len(FUSIONS[name].bound(NAMES, None).score(FEATURES)) == len(FEATURES)


def test_only_models_speak_in_log_odds() -> None:
    assert [name for name, fusion in FUSIONS.items() if fusion.in_log_odds] == ["forest", "stacked", "linear"]


def test_a_fusion_is_called_by_its_kind_and_its_source() -> None:
    assert [fusion.label for fusion in FUSIONS.values()] == [
        "forest",
        "stacked",
        "linear",
        "reciprocal-rank",
        "source als",
        "source history",
    ]


def test_what_sources_say_is_told_from_profiles_by_its_name() -> None:
    assert [name for name in NAMES if of_source(name)] == [
        "history_rank",
        "als_rank",
        "history_score",
        "als_closeness",
    ]
    assert [name for name in NAMES if is_rank(name)] == ["history_rank", "als_rank"]


def test_columns_are_found_in_the_order_asked() -> None:
    assert columns_of(("own_due", "history_rank"), NAMES) == (3, 0)
