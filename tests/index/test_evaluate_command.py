"""``recsys-index evaluate`` on the small shop: its figures, its files and its refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.evaluation.metrics import per_user
from recsys.evaluation.truth import Truth

Run = Callable[..., Any]
SPLIT = "2025-06-03T00:00Z"
SPLIT_S = 1_748_908_800
SOURCES = {"history", "popular", "als", "content", "ease", "item-knn", "user-knn", "next", "first", "trending"}
SOURCES |= {"item2vec", "affinity", "segment", "adoption"}
FUSIONS = {"fusion reciprocal-rank", "fusion linear", "fusion forest", "fusion stacked"}
ALWAYS = {"history", "popular", "als", "content", "pipeline"} | FUSIONS
TWO_WINDOWS = "[training]\nwindows = 2\n"
METRICS = {"ndcg@10", "recall@10", "recall@100", "hit@10", "mrr"}


@pytest.fixture
def evaluate(index_command: Run, world: Any, tmp_path: Path) -> Run:
    """``evaluate(data, split, *words)`` with the world's cache."""
    return lambda data, split, *words: index_command(
        "evaluate", "--data", data, "--cache", world.cache, "--split-at", split, *words
    )


@pytest.fixture(scope="module")
def evaluated(run_index: Run, world: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, str]:
    """Of the world: how its evaluation ended, the figures, and the page. Their folders were not there before."""
    folder = tmp_path_factory.mktemp("evaluated")
    out, page = folder / "new" / "figures.json", folder / "pages" / "figures.html"
    words = ("evaluate", "--data", world.data, "--cache", world.cache, "--split-at", SPLIT)
    ran = run_index(*words, "--json", out, "--html", page)
    assert ran.code == 0, ran.err
    return ran, json.loads(out.read_text()), page.read_text(encoding="utf-8")


def test_every_source_and_the_pipeline_are_scored_on_both_tasks(evaluated: tuple[Any, Any, str]) -> None:
    ran, figures, _ = evaluated
    assert "0 encoded now" in ran.err
    assert "note: serving config home orders by " in ran.err
    assert set(figures["tasks"]) == {"all", "novel"}
    for task, by_name in figures["tasks"].items():
        # Sources that do not pay are left out of the snapshot, and so have no lists.
        assert ALWAYS <= set(by_name) <= ALWAYS | SOURCES
        for name, metrics in by_name.items():
            assert set(metrics) >= METRICS
            assert all(0 <= metrics[metric] <= 1 for metric in METRICS), (task, name)
            assert f"{metrics['ndcg@10']:.4f}" in ran.out
    ndcg = {task: {name: m["ndcg@10"] for name, m in by.items()} for task, by in figures["tasks"].items()}
    assert ndcg["all"]["pipeline"] > 0.97 * ndcg["all"]["history"] > ndcg["all"]["popular"]
    assert ndcg["novel"]["pipeline"] > ndcg["novel"]["popular"]
    assert figures["tasks"]["novel"]["pipeline"]["repeats@10"] == 0
    assert figures["split_at"] == "2025-06-03T00:00:00+00:00"
    assert figures["n_users"]["all"] == 120


def test_slices_differences_and_a_page_come_with_it(evaluated: tuple[Any, Any, str]) -> None:
    ran, figures, html = evaluated
    for task in ("all", "novel"):
        for part, by_name in figures["slices"][task].items():
            assert set(by_name) == set(figures["tasks"][task]), part
            assert all(set(metrics) == METRICS | {"n_users"} for metrics in by_name.values()), part
            assert set(figures["slice_differences"][task][part]) == set(by_name) - {"pipeline"}
            assert part in figures["slice_definitions"]
            assert part in ran.out
        thirds = [
            figures["slices"][task][f"{third}_events"]["pipeline"]["n_users"] for third in ("few", "some", "many")
        ]
        assert sum(thirds) == figures["n_users"][task]
        assert set(figures["differences"][task]) == set(figures["tasks"][task]) - {"pipeline"}
        for name, found in figures["differences"][task].items():
            ndcg = {who: figures["tasks"][task][who]["ndcg@10"] for who in ("pipeline", name)}
            assert found["mean"] == pytest.approx(ndcg["pipeline"] - ndcg[name])
            assert found["low"] <= found["mean"] <= found["high"]
            assert found["n_users"] == figures["n_users"][task]
            assert f"{found['low']:+.4f}" in ran.out
    assert f"{figures['tasks']['all']['pipeline']['ndcg@10']:.4f}" in html
    assert html.count("<svg") == 6


def test_ablations_are_judged_against_the_forest_that_knows_everything(
    evaluate: Run, corner_shop: Any, tmp_path: Path
) -> None:
    out, page = tmp_path / "figures.json", tmp_path / "figures.html"
    ran = evaluate(corner_shop.write(tmp_path / "data", TWO_WINDOWS), SPLIT, "--ablate", "--json", out, "--html", page)
    assert ran.code == 0, ran.err
    figures = json.loads(out.read_text())
    for task, found in figures["ablations"].items():
        ndcg = {name: metrics["ndcg@10"] for name, metrics in figures["tasks"][task].items()}
        assert {"source history", "source popular", "Repeat features"} <= set(found)
        assert "nothing" not in found
        for left_out, worth in found.items():
            assert worth["mean"] == pytest.approx(ndcg["without nothing"] - ndcg[f"without {left_out}"])
        assert not any(name.startswith("without") for name in figures["differences"][task])
    assert "loses without" in ran.out
    assert "loses without" in page.read_text(encoding="utf-8")


def test_several_windows_are_pooled_by_user(evaluate: Run, corner_shop: Any, tmp_path: Path) -> None:
    data = corner_shop.write(tmp_path / "data", TWO_WINDOWS)
    out = tmp_path / "figures.json"
    # Half a year of data: the third window back still has a past, the seventh begins before the first event.
    ran = evaluate(data, SPLIT, "--windows", 2, "--horizon-days", 21, "--json", out)
    assert ran.code == 0, ran.err
    figures = json.loads(out.read_text())
    assert [w["split_at"][:10] for w in figures["windows"]] == ["2025-06-03", "2025-05-13"]
    assert all(w["horizon_days"] == 21 for w in figures["windows"])
    assert figures["differences"]["all"]["popular"]["n_users"] == figures["n_users"]["all"] <= 60
    assert sum(w["n_users"]["all"] for w in figures["windows"]) > figures["n_users"]["all"]


def test_windows_without_a_past_are_left_out_and_said(evaluate: Run, corner_shop: Any, tmp_path: Path) -> None:
    ran = evaluate(
        corner_shop.write(tmp_path / "data", TWO_WINDOWS), "2025-02-01", "--windows", 3, "--horizon-days", 40
    )
    assert ran.code == 0, ran.err
    assert "note: 1 of 3 windows are scored, the next one has none: no event before" in ran.err


def test_the_popularity_figure_is_that_of_a_list_worked_out_by_hand(
    evaluate: Run, shop: Any, world: Any, tmp_path: Path
) -> None:
    (tmp_path / "two.toml").write_text(TWO_WINDOWS)
    words = ("--horizon-days", 14, "--config", tmp_path / "two.toml", "--json", tmp_path / "figures.json")
    ran = evaluate(world.data, SPLIT, *words)
    assert ran.code == 0, ran.err
    figures = json.loads((tmp_path / "figures.json").read_text())["tasks"]["all"]["popular"]

    events = shop.events
    seconds = events["timestamp"].dt.epoch("s").to_numpy()
    users, items = (np.unique(events[c].to_numpy(), return_inverse=True)[1] for c in ("user_id", "item_id"))
    bought = (events["event_type"] == "purchase").to_numpy()
    inside = bought & (seconds >= SPLIT_S) & (seconds < SPLIT_S + 14 * 86_400)
    truth = Truth.of(users[inside].astype(np.int32), items[inside].astype(np.int32), 80)

    def n_buyers(since_s: int) -> np.ndarray[Any, Any]:
        pairs = {(u, i) for u, i, s in zip(users, items, seconds, strict=True) if since_s <= s < SPLIT_S}
        return np.bincount([i for _, i in pairs], minlength=80)

    best = np.argsort(-(n_buyers(SPLIT_S - 28 * 86_400) + 1e-3 * n_buyers(0)), kind="stable")[:10]
    lists = np.full((len(truth), 100), -1, np.int32)
    lists[:, :10] = best
    by_hand = per_user(lists, truth, 80)
    assert figures["hit@10"] == pytest.approx(float(by_hand["hit@10"].mean()), abs=0.05)
    assert figures["ndcg@10"] == pytest.approx(float(by_hand["ndcg@10"].mean()), abs=0.02)


def test_nothing_after_the_split_reaches_a_list(evaluate: Run, corner_shop: Any, tmp_path: Path) -> None:
    kept = corner_shop.events["timestamp"].dt.epoch("s") < SPLIT_S
    shuffled = corner_shop.events.filter(~kept).with_columns(
        corner_shop.events.filter(~kept)["item_id"].sample(fraction=1, shuffle=True, seed=1).alias("item_id")
    )
    answers = []
    for name, later in (("true", corner_shop.events.filter(~kept)), ("shuffled", shuffled)):
        shop = replace(corner_shop, events=corner_shop.events.filter(kept).vstack(later))
        out = tmp_path / f"{name}.json"
        assert evaluate(shop.write(tmp_path / name, TWO_WINDOWS), SPLIT, "--json", out).code == 0
        answers.append(json.loads(out.read_text())["tasks"]["all"])
    true, shuffled_ = answers
    # What is shown does not depend on the truth; how good it is does.
    assert true["pipeline"]["coverage@10"] == shuffled_["pipeline"]["coverage@10"]
    assert true["pipeline"]["gini@10"] == shuffled_["pipeline"]["gini@10"]
    assert true["pipeline"]["ndcg@10"] > shuffled_["pipeline"]["ndcg@10"] + 0.1


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        ("2026-01-01", "no user with an event before the split has a target event after it: nothing to score"),
        ("2024-01-01", "no event before 2024-01-01T00:00:00Z is left"),
    ],
    ids=["after everything", "before everything"],
)
def test_a_split_with_nothing_on_one_side_exits_2(
    evaluate: Run, corner_shop: Any, tmp_path: Path, split: str, sentence: str
) -> None:
    ran = evaluate(corner_shop.write(tmp_path / "data", TWO_WINDOWS), split, "--json", tmp_path / "figures.json")
    assert ran.code == 2
    assert sentence in ran.err.splitlines()[-1]
    assert not (tmp_path / "figures.json").exists()


@pytest.mark.parametrize("flag", ["--horizon-days", "--windows"])
def test_a_horizon_must_be_a_day_and_windows_one_at_least(evaluate: Run, world: Any, flag: str) -> None:
    ran = evaluate(world.data, SPLIT, flag, 0)
    assert (ran.code, ran.err) == (2, f"recsys-index: {flag} must be at least 1, got 0\n")


@pytest.mark.parametrize("flag", ["--json", "--html"])
def test_a_report_that_cannot_be_written_is_named_before_the_work(
    evaluate: Run, world: Any, tmp_path: Path, flag: str
) -> None:
    (tmp_path / "a-file").touch()
    ran = evaluate(world.data, SPLIT, flag, tmp_path / "a-file" / "figures")
    assert ran.code == 2
    assert "stage" not in ran.err
    assert ran.err.splitlines()[-1].startswith(f"recsys-index: {tmp_path / 'a-file'}")
