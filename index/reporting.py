"""What a rebuild or an evaluation tells: report.json, and tables for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from index.build import Built, Tasks
from index.dataset import Dataset
from index.gates import Gate
from index.progress import Stages


def report(dataset: Dataset, built: Built, gates: Sequence[Gate], stages: Stages) -> dict[str, Any]:
    """Everything about the making of a snapshot that answers do not need."""
    return {
        "cleaning": dataset.report.to_json(),
        "choices": [asdict(choice) for choice in dataset.choices],
        "notes": list(built.notes),
        "sources": [worth.choice.to_json() for worth in built.worths],
        "policies": {name: asdict(weights) for name, weights in built.policies.items()},
        "validation": {"tasks": plain(built.validation)},
        **({} if built.feedback is None else {"feedback": dict(built.feedback)}),
        "gates": [gate.to_json() for gate in gates],
        "stages": [
            {"name": r.name, "seconds": round(r.seconds, 3), "peak_bytes": r.peak_bytes, "n_rows": r.n_rows}
            for r in stages.records
        ],
    }


def plain(tasks: Tasks) -> dict[str, dict[str, dict[str, float | None]]]:
    """The figures as JSON can hold them: None for what could not be measured."""
    return {
        task: {
            name: {metric: value if math.isfinite(value) else None for metric, value in metrics.items()}
            for name, metrics in by_name.items()
        }
        for task, by_name in tasks.items()
    }


def metrics_table(tasks: Tasks, title: str) -> Table:
    """One row a task and name, one column a metric."""
    metrics = list(dict.fromkeys(m for by_name in tasks.values() for values in by_name.values() for m in values))
    table = Table("task", "name", title=title, title_justify="left")
    for metric in metrics:
        table.add_column(metric, justify="right")
    for task, by_name in tasks.items():
        for name, values in by_name.items():
            table.add_row(task, name, *(_cell(values, metric) for metric in metrics))
    return table


def _cell(values: Mapping[str, float], metric: str) -> str:
    value = values.get(metric, math.nan)
    return f"{value:.4f}" if math.isfinite(value) else "–"
