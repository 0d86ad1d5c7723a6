"""Accuracy against what lies beyond it, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from diversity.setting import Row, Setting

from index.evaluation import TASKS
from recsys.evaluation.metrics import K


def draw(validation: Mapping[str, Any], chosen: Mapping[str, Setting], most_loss: float, file: Path) -> None:
    """NDCG@10 against what lies beyond accuracy, means over the validation windows: a line a diversity weight."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    axes_names = {
        "coverage": "items shown / items",
        "hits_coverage": "distinct items that were hits / items",
        "gini": "Gini of exposure",
        "diversity": "1 - mean cosine within a list",
    }
    figure, axes = plt.subplots(2, len(axes_names), figsize=(16, 7.5), sharey="row", constrained_layout=True)
    for row_axes, (task, _) in zip(axes, TASKS, strict=True):
        windows = [tasks[task] for tasks in validation.values()]
        rows = [_mean([window["settings"][i] for window in windows]) for i in range(len(windows[0]["settings"]))]
        # A source may pay in one window and be left out in the next.
        common = [name for name in windows[0]["sources"] if all(name in window["sources"] for window in windows)]
        sources = {name: _mean([window["sources"][name] for window in windows]) for name in common}
        best = max(sources, key=lambda name: sources[name][f"ndcg@{K}"])
        off = next(row for row in rows if (row["diversity"], row["spread"]) == (0.0, 0.0))
        choice = next(row for row in rows if (row["diversity"], row["spread"]) == chosen[task])
        for axis, (metric, label) in zip(row_axes, axes_names.items(), strict=True):
            for weight in sorted({row["diversity"] for row in rows}):
                line = [row for row in rows if row["diversity"] == weight]
                x, y = ([row[f"{name}@{K}"] for row in line] for name in (metric, "ndcg"))
                axis.plot(x, y, marker=".", linewidth=1, label=f"diversity {weight:g}")
            axis.plot(off[f"{metric}@{K}"], off[f"ndcg@{K}"], "ks", label="the ranker's order")
            axis.plot(choice[f"{metric}@{K}"], choice[f"ndcg@{K}"], "k*", markersize=13, label="chosen")
            axis.axvline(sources[best][f"{metric}@{K}"], color="grey", linestyle=":", label=f"{best} alone")
            axis.axhline((1 - most_loss) * off[f"ndcg@{K}"], color="grey", linewidth=0.7)
            axis.set_xlabel(label)
            axis.locator_params(axis="x", nbins=5)
        row_axes[0].set_ylabel(f"NDCG@{K}, task {task}")
        row_axes[-1].legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.02, 1.0))
    figure.suptitle("Along a line the weight of spread rises; the grey line is the most NDCG that may be lost")
    figure.savefig(file, metadata={"Date": None})


def _mean(rows: Sequence[Mapping[str, float]]) -> Row:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
