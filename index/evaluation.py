"""Scoring of a snapshot against what users did after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from index.cells import number, seconds, text
from index.dataset import Dataset
from index.items import numbers_of
from index.progress import Stages
from index.scoring import lists_of_pipeline, lists_of_source
from index.settings import Settings, canonical_type
from index.tables import read_tables
from recsys.arrays import Int32, frozen
from recsys.errors import InputError
from recsys.evaluation.metrics import Exposure, beyond_accuracy, per_user
from recsys.evaluation.truth import Truth
from recsys.model import Snapshot

TASKS = (("all", "home"), ("novel", "discover"))


@dataclass(frozen=True, slots=True)
class Cut:
    """What happened after ``start`` (epoch seconds): the truth of each task, its items numbered below ``n_items``."""

    start: int
    truths: Mapping[str, Truth]
    n_items: int

    @classmethod
    def read(cls, folder: Path, dataset: Dataset, *, start: int, end: int | None) -> Cut:
        """From the raw rows in [start, end), before any cleaning, so that nothing cleaning does can flatter.

        Items never seen before ``start`` stay in it and count against every list. InputError when there is no truth.
        """
        truth, n_items = raw_truth(folder, dataset, start=start, end=end)
        if not len(truth):
            raise InputError("no user with an event before the split has a target event after it: nothing to score")
        owned = dataset.interactions.targets
        novel = truth.without(dataset.interactions.users[owned], dataset.interactions.items[owned], n_items)
        return cls(start, {"all": truth, "novel": novel}, n_items)


def evaluate(
    dataset: Dataset, snapshot: Snapshot, cut: Cut, stages: Stages
) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, Any]]:
    """task -> name -> metric -> mean over users, and the facts of the cut."""
    exposure = _exposure(dataset, snapshot, cut.n_items)
    with threadpool_limits(1, "blas"):
        tasks = _score(dataset, snapshot, cut.truths, exposure, at=cut.start, stages=stages)
    facts = {
        "split_at": datetime.fromtimestamp(cut.start, UTC).isoformat(),
        "n_users": {task: len(truth) for task, truth in cut.truths.items()},
        "n_items": len(dataset.item_ids),
    }
    return tasks, facts


def _score(
    dataset: Dataset, snapshot: Snapshot, truths: Mapping[str, Truth], exposure: Exposure, *, at: int, stages: Stages
) -> dict[str, dict[str, dict[str, float]]]:
    n_items = len(exposure.known)
    tasks: dict[str, dict[str, dict[str, float]]] = {}
    names = [name for name in snapshot.pipeline.sources if not name.startswith("similar")]
    for task, config in TASKS:
        target = truths[task]
        if not len(target):
            continue
        tasks[task] = {}
        for name in (*names, "pipeline"):
            with stages.stage(f"score {name} on {task}", total=len(target)) as step:
                if name == "pipeline":
                    lists = lists_of_pipeline(snapshot, config, target.users, at=at, advance=step.advance)
                else:
                    lists = lists_of_source(snapshot, name, config, target.users, at=at, advance=step.advance)
                means = {metric: float(v.mean()) for metric, v in per_user(lists, target, n_items).items()}
                repeats = _repeat_share(lists, target, dataset, n_items)
                tasks[task][name] = {**means, **beyond_accuracy(lists, target, exposure), "repeats@10": repeats}
    return tasks


def raw_truth(folder: Path, dataset: Dataset, *, start: int, end: int | None) -> tuple[Truth, int]:
    """Distinct target pairs in [start, end) of users with an event before, and how many items they are numbered in.

    Items that the dataset does not know are numbered from its own number of items on.
    """
    settings: Settings = dataset.settings
    events = read_tables(folder, settings).events
    rows = events.select(
        text("user_id", events.schema["user_id"]),
        text("item_id", events.schema["item_id"]),
        text("event_type", events.schema["event_type"]),
        seconds("timestamp", events.schema["timestamp"]),
        *([number("value", events.schema["value"])] if "value" in events.columns else []),
    )
    kinds = rows["event_type"].unique().drop_nulls()
    targets = [kind for kind in kinds if canonical_type(kind) in settings.events.target_types]
    keep = pl.col("event_type").is_in(targets) & (pl.col("timestamp") >= start)
    if end is not None:
        keep &= pl.col("timestamp") < end
    if settings.events.min_value is not None and "value" in rows.columns:
        keep &= (pl.col("value") >= settings.events.min_value).fill_null(True)
    rows = rows.filter(keep).drop_nulls(["user_id", "item_id"])
    users = numbers_of(rows["user_id"], pl.Series(dataset.user_ids, dtype=pl.String))
    items = np.array(numbers_of(rows["item_id"], pl.Series(dataset.item_ids, dtype=pl.String)))
    unknown = rows["item_id"].filter(pl.Series(items < 0)).unique().sort()
    if unknown.len():
        items[items < 0] = len(dataset.item_ids) + numbers_of(rows["item_id"].filter(pl.Series(items < 0)), unknown)
    n_items = len(dataset.item_ids) + unknown.len()
    known = users >= 0
    truth = Truth.of(users[known], frozen(items[known], np.int32), n_items)
    return truth.among(frozen(np.unique(dataset.interactions.users), np.int32)), n_items


def _exposure(dataset: Dataset, snapshot: Snapshot, n_items: int) -> Exposure:
    seen = dataset.interactions
    known = np.bincount(seen.items, minlength=n_items) > 0
    n_users = np.expm1(snapshot.model.context.statistics.column("users_all"))
    popularity = np.zeros(n_items, np.float32)
    popularity[: len(n_users)] = n_users / max(len(np.unique(seen.users)), 1)
    texts = snapshot.model.context.texts
    return Exposure(
        frozen(popularity, np.float32),
        frozen(known, np.bool_),
        texts.vectors if texts else None,
        texts.text_of if texts else None,
    )


def _repeat_share(lists: Int32, truth: Truth, dataset: Dataset, n_items: int) -> float:
    """Share of the shown top 10 that the user had a target event with before."""
    top = lists[:, :10]
    targets = dataset.interactions.targets
    owned = dataset.interactions.users[targets].astype(np.int64) * n_items + dataset.interactions.items[targets]
    keys = truth.users.astype(np.int64)[:, None] * n_items + top
    shown = top >= 0
    return float(np.isin(keys[shown], owned).mean()) if shown.any() else 0.0
