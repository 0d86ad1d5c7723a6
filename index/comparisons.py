"""What an evaluation says, in sentences and short tables: the pipeline beside the best of the other lists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from index.figures import COMPARED, PIPELINE, Evaluation, Intervals
from recsys.evaluation.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class Lead:
    """The pipeline against the best other list of one task or slice; all of NDCG@10. None without any other list."""

    pipeline: Interval
    best: str
    other: Interval
    difference: Interval

    @classmethod
    def of(cls, means: Intervals, differences: Intervals) -> Lead | None:
        """The best by mean is chosen after the fact, which flatters it: the lead is, if anything, understated."""
        if not differences:
            return None
        best = max(differences, key=lambda name: means[name].mean)
        return cls(means[PIPELINE], best, means[best], differences[best])

    @property
    def verdict(self) -> str:
        """``ahead of``, ``behind``, or ``level with`` where the interval holds 0."""
        if not math.isfinite(self.difference.low):
            return "too few users to be told from"
        if not self.difference.excludes_zero:
            return "level with"
        return "ahead of" if self.difference.mean > 0 else "behind"


def scope(evaluation: Evaluation) -> str:
    """When, and how many users: ``After 2025-02-01: 40 users on all, 30 users on novel``."""
    when, n_earlier = f"After {evaluation.facts['split_at']}", len(evaluation.facts["windows"]) - 1
    if n_earlier:
        when += f" and {n_earlier} earlier split{'s' if n_earlier > 1 else ''}"
    users = ", ".join(f"{n:,} users on {task}" for task, n in evaluation.facts["n_users"].items())
    return f"{when}: {users}"


def sentences(evaluation: Evaluation) -> list[str]:
    """One a task: how good the pipeline is, and whether that is more than the best other list."""
    said = []
    for task, means in evaluation.intervals.items():
        own = means[PIPELINE]
        sentence = f"Task {task}: NDCG@10 of the pipeline is {spelled(own)} over {own.n_users:,} users"
        if (lead := Lead.of(means, evaluation.differences[task])) is not None:
            found = spelled(lead.difference, signed=True)
            sentence += f"; it is {lead.verdict} {lead.best}, the best other list: {found}"
        said.append(f"{sentence}.")
    return said


def spelled(interval: Interval, *, signed: bool = False) -> str:
    """``0.4242 (0.4121 to 0.4363)``; the mean alone where there is no interval."""
    if not math.isfinite(interval.low):
        return cell(interval.mean, signed=signed)
    low, high = cell(interval.low, signed=signed), cell(interval.high, signed=signed)
    return f"{cell(interval.mean, signed=signed)} ({low} to {high})"


def cell(value: float, *, signed: bool = False) -> str:
    """Four decimals; a dash for what could not be measured."""
    if not math.isfinite(value):
        return "–"
    return f"{value:+.4f}" if signed else f"{value:.4f}"


def differences_table(evaluation: Evaluation) -> Table:
    """The pipeline minus every other list, with intervals."""
    title = f"Differences of {COMPARED}, paired by user"
    return _paired("pipeline minus", title, evaluation.differences)


def ablations_table(evaluation: Evaluation) -> Table | None:
    """The forest with everything minus a forest that never knew something; None where nothing was left out."""
    if not any(evaluation.ablations.values()):
        return None
    title = f"What {COMPARED} of the ranker's own order, before any policy, loses without"
    return _paired("without", title, evaluation.ablations)


def _paired(heading: str, title: str, by_task: Mapping[str, Intervals]) -> Table:
    table = Table("task", heading, title=title, title_justify="left")
    for column in ("mean", "low", "high", "users"):
        table.add_column(column, justify="right")
    for task, differences in by_task.items():
        for name, found in differences.items():
            bounds = (cell(value, signed=True) for value in (found.mean, found.low, found.high))
            table.add_row(task, name, *bounds, f"{found.n_users:,}")
    return table


def slices_table(evaluation: Evaluation) -> Table:
    """One row a task and slice: the pipeline, the best other list, the difference."""
    table = Table("task", "slice", title=f"Slices, {COMPARED}", title_justify="left")
    table.add_column("users", justify="right")
    table.add_column("pipeline", justify="right")
    table.add_column("best other")
    for heading in ("its own", "difference", "low", "high"):
        table.add_column(heading, justify="right")
    for task, parts in evaluation.slice_intervals.items():
        for part, means in parts.items():
            own = means[PIPELINE]
            row = [task, part, f"{own.n_users:,}", cell(own.mean)]
            if (lead := Lead.of(means, evaluation.slice_differences[task][part])) is not None:
                found = lead.difference
                row += [lead.best, cell(lead.other.mean)]
                row += [cell(value, signed=True) for value in (found.mean, found.low, found.high)]
            table.add_row(*row)
    return table
