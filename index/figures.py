"""The figures of an evaluation: every user's own, from one window or several, and the means and intervals over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Float64
from recsys.evaluation.bootstrap import LEVEL, N_RESAMPLES, Interval, differences, intervals

PIPELINE = "pipeline"
COMPARED = "ndcg@10"
# How ablated lists are named, and what they are compared with: the same forest, no policy either, that knew everything.
WITHOUT = "without "
NOTHING = "nothing"
UNABLATED = f"{WITHOUT}{NOTHING}"
Figures = Mapping[str, Mapping[str, float]]  # name -> metric -> value
Intervals = Mapping[str, Interval]  # name -> interval of COMPARED


@dataclass(frozen=True, slots=True)
class Scored:
    """What lists were worth to users: users (Q,) their ids, values name -> metric -> (Q,).

    A user scored in several windows has a row for each.
    """

    users: NDArray[np.str_]
    values: Mapping[str, Mapping[str, Float64]]

    @classmethod
    def pooled(cls, parts: Sequence[Scored]) -> Scored:
        """The rows of all ``parts`` under the names they share: early windows may lack a source."""
        names = [name for name in parts[0].values if all(name in part.values for part in parts)]
        values = {
            name: {
                metric: np.concatenate([part.values[name][metric] for part in parts])
                for metric in parts[0].values[name]
            }
            for name in names
        }
        return cls(np.concatenate([part.users for part in parts]), values)

    def means(self) -> dict[str, dict[str, float]]:
        """name -> metric -> mean over rows."""
        return {
            name: {metric: float(values.mean()) for metric, values in by_metric.items()}
            for name, by_metric in self.values.items()
        }

    @property
    def n_users(self) -> int:
        """Distinct users."""
        return len(np.unique(self.users))

    def intervals(self) -> Intervals:
        """name -> interval of its mean NDCG@10."""
        return intervals(self._compared, self.users)

    def differences(self) -> Intervals:
        """name -> interval of the pipeline's NDCG@10 minus its own, user by user; nothing of ablated lists."""
        others = {name: values for name, values in self._compared.items() if not name.startswith(WITHOUT)}
        return differences(others, PIPELINE, self.users)

    def ablations(self) -> Intervals:
        """What was left out -> interval of what NDCG@10 the forest with everything has more, user by user."""
        ablated = {name: values for name, values in self._compared.items() if name.startswith(WITHOUT)}
        if not ablated or UNABLATED not in self.values:
            return {}
        found = differences(ablated, UNABLATED, self.users)
        return {name.removeprefix(WITHOUT): worth for name, worth in found.items()}

    @property
    def _compared(self) -> dict[str, Float64]:
        return {name: values[COMPARED] for name, values in self.values.items()}


@dataclass(frozen=True, slots=True)
class Scores:
    """One window, scored.

    tasks: task -> figures of its users · slices: task -> slice -> figures of those in it · beyond: task -> name ->
    metric of all lists together · facts: what the window is made of, as JSON holds it.
    """

    tasks: Mapping[str, Scored]
    slices: Mapping[str, Mapping[str, Scored]]
    beyond: Mapping[str, Figures]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is reported: figures by task (and slice) and name, intervals of NDCG@10 and of the pipeline's lead in it.

    ablations: by what was left out, the interval of what the forest with everything has more of NDCG@10 · facts: of the
    newest window, with all windows under ``windows``.
    """

    tasks: Mapping[str, Figures]
    slices: Mapping[str, Mapping[str, Figures]]
    intervals: Mapping[str, Intervals]
    differences: Mapping[str, Intervals]
    ablations: Mapping[str, Intervals]
    slice_intervals: Mapping[str, Mapping[str, Intervals]]
    slice_differences: Mapping[str, Mapping[str, Intervals]]
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, windows: Sequence[Scores]) -> Evaluation:
        """From at least one window, the newest first. Users are pooled; what is beyond accuracy is averaged."""
        newest = windows[0]
        tasks = {task: Scored.pooled(_each(w.tasks.get(task) for w in windows)) for task in newest.tasks}
        slices = {
            task: {
                name: Scored.pooled(_each(w.slices.get(task, {}).get(name) for w in windows))
                for name in dict.fromkeys(name for w in windows for name in w.slices.get(task, {}))
            }
            for task in tasks
        }
        return cls(
            tasks={
                task: {name: {**means, **_averaged(windows, task, name)} for name, means in scored.means().items()}
                for task, scored in tasks.items()
            },
            slices={
                task: {part: _with_users(scored) for part, scored in parts.items()} for task, parts in slices.items()
            },
            intervals={task: scored.intervals() for task, scored in tasks.items()},
            differences={task: scored.differences() for task, scored in tasks.items()},
            ablations={task: scored.ablations() for task, scored in tasks.items()},
            slice_intervals={
                task: {part: scored.intervals() for part, scored in parts.items()} for task, parts in slices.items()
            },
            slice_differences={
                task: {part: scored.differences() for part, scored in parts.items()} for task, parts in slices.items()
            },
            facts={
                **newest.facts,
                "n_users": {task: tasks[task].n_users if task in tasks else 0 for task in newest.facts["n_users"]},
                "windows": [dict(window.facts) for window in windows],
                "bootstrap": {"metric": COMPARED, "reference": PIPELINE, "n_resamples": N_RESAMPLES, "level": LEVEL},
            },
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it: None for what could not be measured; the facts beside the figures."""
        named = {
            "tasks": self.tasks,
            "slices": self.slices,
            "intervals": self.intervals,
            "differences": self.differences,
            "ablations": self.ablations,
            "slice_intervals": self.slice_intervals,
            "slice_differences": self.slice_differences,
        }
        return {**{name: _plain(value) for name, value in named.items()}, **self.facts}


def _each(parts: Any) -> list[Scored]:
    return [part for part in parts if part is not None]


def _averaged(windows: Sequence[Scores], task: str, name: str) -> dict[str, float]:
    found = [window.beyond[task][name] for window in windows if task in window.beyond]
    return {metric: float(np.mean([values[metric] for values in found])) for metric in found[0]}


def _with_users(scored: Scored) -> dict[str, dict[str, float]]:
    return {name: {**means, "n_users": scored.n_users} for name, means in scored.means().items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Interval):
        return _plain({"mean": value.mean, "low": value.low, "high": value.high, "n_users": value.n_users})
    return None if isinstance(value, float) and not math.isfinite(value) else value
