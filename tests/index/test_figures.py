"""Means, pools and JSON of figures written by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from index.figures import Evaluation, Scored, Scores


def scored(users: list[str], **ndcg: list[float]) -> Scored:
    return Scored(np.array(users), {name: {"ndcg@10": np.array(values)} for name, values in ndcg.items()})


def window(split: str, coverage: float, whole: Scored, **slices: Scored) -> Scores:
    beyond = {"all": {name: {"coverage@10": coverage, "diversity@10": float("nan")} for name in whole.values}}
    facts: dict[str, Any] = {"split_at": split, "n_users": {"all": len(whole.users), "novel": 0}}
    return Scores({"all": whole}, {"all": slices}, beyond, facts)


NEWEST = window(
    "2025-02",
    0.5,
    scored(["a", "b"], pipeline=[1.0, 0.5], popular=[0.5, 0.0], als=[1.0, 1.0]),
    few=scored(["b"], pipeline=[0.5], popular=[0.0], als=[1.0]),
)
OLDER = window(
    "2025-01",
    0.25,
    scored(["b", "c"], pipeline=[0.0, 0.5], popular=[0.5, 0.0]),
    many=scored(["c"], pipeline=[0.5], popular=[0.0]),
)


def test_one_window_is_reported_as_it_is() -> None:
    found = Evaluation.of([NEWEST])
    assert found.tasks["all"]["pipeline"]["ndcg@10"] == 0.75
    assert found.tasks["all"]["pipeline"]["coverage@10"] == 0.5
    assert set(found.differences["all"]) == {"popular", "als"}
    lead = found.differences["all"]["popular"]
    assert (lead.mean, lead.low, lead.high, lead.n_users) == (0.5, 0.5, 0.5, 2)
    assert found.differences["all"]["als"].mean == -0.25
    assert found.slices["all"]["few"]["pipeline"] == {"ndcg@10": 0.5, "n_users": 1}
    assert found.slice_differences["all"]["few"]["als"].mean == -0.5
    assert found.facts["n_users"] == {"all": 2, "novel": 0}


def test_what_was_left_out_is_compared_with_the_forest_that_knew_it_and_with_nothing_else() -> None:
    ndcg = {"pipeline": [1.0, 0.5], "fusion forest": [0.6, 0.6]}
    ndcg |= {"without nothing": [0.5, 0.5], "without source als": [0.25, 0.0]}
    found = Evaluation.of([window("2025-02", 0.5, scored(["a", "b"], **ndcg))])
    assert set(found.differences["all"]) == {"fusion forest"}
    assert set(found.ablations["all"]) == {"source als"}
    assert found.ablations["all"]["source als"].mean == 0.375
    assert found.to_json()["ablations"]["all"]["source als"]["n_users"] == 2


def test_without_a_forest_nothing_is_compared_with_it() -> None:
    found = Evaluation.of([window("2025-02", 0.5, scored(["a"], **{"pipeline": [1.0], "without source als": [0.5]}))])
    assert found.ablations == {"all": {}}


def test_windows_are_pooled_under_the_names_all_of_them_have() -> None:
    found = Evaluation.of([NEWEST, OLDER])
    assert set(found.tasks["all"]) == {"pipeline", "popular"}
    assert found.tasks["all"]["pipeline"]["ndcg@10"] == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)
    assert found.tasks["all"]["pipeline"]["coverage@10"] == pytest.approx((0.5 + 0.25) / 2)
    # b was scored twice and is one user.
    assert found.facts["n_users"] == {"all": 3, "novel": 0}
    assert found.intervals["all"]["pipeline"].n_users == 3
    assert [w["split_at"] for w in found.facts["windows"]] == ["2025-02", "2025-01"]
    assert found.facts["split_at"] == "2025-02"
    assert set(found.slices["all"]) == {"few", "many"}


def test_json_holds_null_where_nothing_could_be_measured_and_facts_beside_figures() -> None:
    found = json.loads(json.dumps(Evaluation.of([NEWEST]).to_json(), allow_nan=False))
    assert found["tasks"]["all"]["pipeline"] == {"ndcg@10": 0.75, "coverage@10": 0.5, "diversity@10": None}
    assert found["differences"]["all"]["popular"] == {"mean": 0.5, "low": 0.5, "high": 0.5, "n_users": 2}
    assert found["slice_differences"]["all"]["few"]["popular"] == {"mean": 0.5, "low": None, "high": None, "n_users": 1}
    assert found["split_at"] == "2025-02"
    assert found["bootstrap"] == {"metric": "ndcg@10", "reference": "pipeline", "n_resamples": 2000, "level": 0.95}
