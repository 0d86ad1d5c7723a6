"""What is said of a lead, and when it is called level."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from index.comparisons import Lead, ablations_table, differences_table, scope, sentences, slices_table, spelled
from index.figures import Evaluation, Scored, Scores
from recsys.evaluation.bootstrap import Interval


def evaluation(**ndcg: list[float]) -> Evaluation:
    users = np.array([f"user {n}" for n in range(len(next(iter(ndcg.values()))))])
    whole = Scored(users, {name: {"ndcg@10": np.array(values)} for name, values in ndcg.items()})
    facts: dict[str, Any] = {"split_at": "2025-02", "n_users": {"all": len(users)}}
    beyond: dict[str, Any] = {"all": {name: {} for name in ndcg}}
    return Evaluation.of([Scores({"all": whole}, {"all": {"few_events": whole}}, beyond, facts)])


def shown(table: object) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("low", "mean", "high", "verdict"),
    [
        (0.1, 0.2, 0.3, "ahead of"),
        (-0.3, -0.2, -0.1, "behind"),
        (-0.1, 0.2, 0.5, "level with"),
        (math.nan, 0.2, math.nan, "too few users to be told from"),
    ],
)
def test_a_lead_is_one_only_if_its_interval_says_so(low: float, mean: float, high: float, verdict: str) -> None:
    other = Interval(0.1, 0.0, 0.2, 9)
    assert Lead(other, "popular", other, Interval(mean, low, high, 9)).verdict == verdict


def test_the_best_of_the_others_is_named_with_the_lead_over_it() -> None:
    found = evaluation(history=[0.2, 0.4] * 20, popular=[0.1, 0.1] * 20, pipeline=[0.3, 0.5] * 20)
    (sentence,) = sentences(found)
    assert sentence.startswith("Task all: NDCG@10 of the pipeline is 0.4000 (0.3")
    assert sentence.endswith(
        "over 40 users; it is ahead of history, the best other list: +0.1000 (+0.1000 to +0.1000)."
    )


def test_the_scope_is_when_and_how_many() -> None:
    assert scope(evaluation(pipeline=[0.5, 0.5])) == "After 2025-02: 2 users on all"


def test_a_pipeline_alone_is_compared_with_nothing() -> None:
    found = evaluation(pipeline=[0.5, 0.5])
    assert sentences(found) == ["Task all: NDCG@10 of the pipeline is 0.5000 (0.5000 to 0.5000) over 2 users."]
    assert "few_events" in shown(slices_table(found))
    assert "all" not in shown(differences_table(found))


def test_tables_hold_the_difference_with_its_sign_and_bounds() -> None:
    found = evaluation(popular=[0.3, 0.5], pipeline=[0.2, 0.4])
    row = next(line for line in shown(differences_table(found)).splitlines() if "popular" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        *("all", "popular", "-0.1000", "-0.1000", "-0.1000", "2")
    ]
    row = next(line for line in shown(slices_table(found)).splitlines() if "few_events" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        *("all", "few_events", "2", "0.3000", "popular", "0.4000", "-0.1000", "-0.1000", "-0.1000")
    ]


def test_without_an_interval_the_mean_stands_alone() -> None:
    assert spelled(Interval(0.25, math.nan, math.nan, 1)) == "0.2500"
    assert spelled(Interval(math.nan, math.nan, math.nan, 0)) == "–"
    assert spelled(Interval(0.25, 0.2, 0.3, 5), signed=True) == "+0.2500 (+0.2000 to +0.3000)"


def test_what_was_left_out_has_a_table_of_its_own_if_anything_was() -> None:
    found = evaluation(**{"without nothing": [0.4, 0.5], "without source als": [0.3, 0.4], "pipeline": [0.2, 0.4]})
    (row,) = (line for line in shown(ablations_table(found)).splitlines() if "als" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        *("all", "source als", "+0.1000", "+0.1000", "+0.1000", "2")
    ]
    assert "als" not in shown(differences_table(found))
    assert ablations_table(evaluation(pipeline=[0.2, 0.4])) is None
