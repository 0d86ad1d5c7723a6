"""What was measured, as tables for a person and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from peers.choice import Choice
from peers.cut import TASKS
from peers.scoring import ACCURACY, Score, difference, pooled
from rich.console import Console
from rich.table import Table

OURS = "tributary"
JUDGED = "ndcg@10"
SHOWN = (*ACCURACY, "coverage@10", "hits_coverage@10")


@dataclass(slots=True)
class Run:
    """One method fed one way on every cut so far. scores: by task, a cut each · choices: by task."""

    name: str
    variant: str
    scores: dict[str, list[Score]] = field(default_factory=lambda: {task: [] for task in TASKS})
    choices: Mapping[str, Choice] = field(default_factory=dict)
    seconds: float = 0.0


def better_variants(runs: list[Run], task: str) -> dict[str, tuple[Run, dict[str, float]]]:
    """By method, the run with the best NDCG@10 and its means: the variant that counts; best method first."""
    best: dict[str, tuple[Run, dict[str, float]]] = {}
    for run in runs:
        if not run.scores[task]:
            continue
        means = pooled(run.scores[task])
        if run.name not in best or means[JUDGED] > best[run.name][1][JUDGED]:
            best[run.name] = run, means
    return dict(sorted(best.items(), key=lambda one: -one[1][1][JUDGED]))


def to_json(runs: list[Run]) -> dict[str, Any]:
    """``{task: {method: {metric: mean, …, ours_minus_it: {metric: [mean, low, high]}}}}``, of the better variants."""
    tasks: dict[str, Any] = {}
    for task in TASKS:
        best = better_variants(runs, task)
        ours = best.get(OURS)
        tasks[task] = {}
        for name, (run, means) in best.items():
            entry: dict[str, Any] = {metric: round(value, 5) for metric, value in means.items()}
            entry |= {
                "n": sum(one.users.height for one in run.scores[task]),
                "variant": run.variant,
                "setting": run.choices[task].to_json() if run.choices else {},
                "seconds": round(run.seconds, 1),
                "ndcg@10_by_window": [round(pooled([one])[JUDGED], 5) for one in run.scores[task]],
                "ndcg@10_by_variant": {
                    other.variant: round(pooled(other.scores[task])[JUDGED], 5)
                    for other in runs
                    if other.name == name and other.scores[task]
                },
            }
            if ours and name != OURS:
                entry["ours_minus_it"] = {
                    metric: [round(value, 5) for value in difference(ours[0].scores[task], run.scores[task], metric)]
                    for metric in ACCURACY
                }
            tasks[task][name] = entry
    return tasks


def print_tables(tasks: Mapping[str, Any], console: Console) -> None:
    """One table a task, the best list first."""
    for task, methods in tasks.items():
        if not methods:
            console.print(f"{task}: nobody has anything to be right about")
            continue
        n = max(entry["n"] for entry in methods.values())
        table = Table(title=f"{task}: {n:,} users (with every window a user is in)", title_justify="left")
        table.add_column("list")
        table.add_column("fed with")
        for metric in SHOWN:
            table.add_column(metric.replace("_", " "), justify="right")
        table.add_column("s", justify="right")
        table.add_column("ours minus it, NDCG@10 (95 %)", justify="right")
        for name, entry in methods.items():
            gap = entry.get("ours_minus_it", {}).get(JUDGED)
            table.add_row(
                f"[bold]{name}[/bold]" if name == OURS else name,
                entry["variant"],
                *(f"{entry[metric]:.4f}" for metric in SHOWN),
                f"{entry['seconds']:.0f}",
                "" if gap is None else f"{gap[0]:+.4f} ({gap[1]:+.4f} … {gap[2]:+.4f})",
            )
        console.print(table)
