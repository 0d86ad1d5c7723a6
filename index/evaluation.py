"""Scoring of a snapshot against what users did after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from index.cut import Cut
from index.dataset import Dataset
from index.figures import PIPELINE, Scored, Scores
from index.progress import Stages
from index.scoring import Advance, lists_of_pipeline, lists_of_source
from index.slices import ABOUT_NEWCOMERS, NEWCOMERS, slices_of
from recsys.arrays import Float64, Int32, frozen
from recsys.decay import DAY_S
from recsys.evaluation.metrics import Exposure, accuracy, beyond_accuracy, per_user
from recsys.evaluation.slices import Slice
from recsys.evaluation.truth import Truth
from recsys.model import Snapshot

TASKS = (("all", "home"), ("novel", "discover"))
# (serving config, user numbers (Q,)) -> (Q, 100) item numbers, best first, -1 = empty place.
Lists = Callable[[str, Int32], Int32]
_NO_EXTRAS: Mapping[str, Lists] = MappingProxyType({})
_Producer = Callable[[str, Int32, Advance], Int32]


def evaluate(
    dataset: Dataset, snapshot: Snapshot, cut: Cut, stages: Stages, *, extras: Mapping[str, Lists] = _NO_EXTRAS
) -> Scores:
    """What every list was worth to every user of the cut.

    ``snapshot`` is fitted on what came before ``cut.start``. Extras are scored like sources, under names that no source
    has (ValueError): fusions, ablations, whatever can fill a list for each of the users it is given, new ones among
    them. Each makes its lists once a task; all slices are judged on these.
    """
    lists_of = _producers(snapshot, extras, at=cut.start)
    slices = slices_of(dataset, snapshot.model.context.profiles, cut.truths["all"], at=cut.start, n_items=cut.n_items)
    exposure = _exposure(dataset, snapshot, cut.n_items)
    tasks: dict[str, Scored] = {}
    sliced: dict[str, dict[str, Scored]] = {}
    beyond: dict[str, dict[str, dict[str, float]]] = {}
    for task, config in TASKS:
        truth = cut.truths[task]
        if not len(truth):
            continue
        beyond[task] = {}
        whole: dict[str, dict[str, Float64]] = {}
        parts: dict[str, dict[str, dict[str, Float64]]] = {}
        present = [part for part in slices if part.sizes(truth).any()]
        for name, producer in lists_of.items():
            total = len(truth) + len(cut.newcomers)
            with threadpool_limits(1, "blas"), stages.stage(f"score {name} on {task}", total=total) as step:
                lists = producer(config, truth.users, step.advance)
                hits = truth.hits(lists, cut.n_items)
                whole[name] = accuracy(hits, truth.sizes)
                repeats = _repeat_share(lists, truth, dataset, cut.n_items)
                beyond[task][name] = {**beyond_accuracy(lists, truth, exposure), "repeats@10": repeats}
                for part in present:
                    parts.setdefault(part.name, {})[name] = part.accuracy(lists, hits, truth)
                if len(cut.newcomers):
                    lists = producer(config, cut.newcomers.users, step.advance)
                    parts.setdefault(NEWCOMERS, {})[name] = per_user(lists, cut.newcomers, cut.n_items)
        members = {part.name: truth.users[part.sizes(truth) > 0] for part in present}
        members[NEWCOMERS] = cut.newcomers.users
        tasks[task] = Scored(_ids(snapshot, truth.users), whole)
        sliced[task] = {part: Scored(_ids(snapshot, members[part]), values) for part, values in parts.items()}
    return Scores(tasks, sliced, beyond, _facts(dataset, cut, exposure, slices, sliced))


def _producers(snapshot: Snapshot, extras: Mapping[str, Lists], *, at: int) -> dict[str, _Producer]:
    def of_source(source: str) -> _Producer:
        return lambda config, users, advance: lists_of_source(snapshot, source, config, users, at=at, advance=advance)

    def of_extra(extra: Lists) -> _Producer:
        def produce(config: str, users: Int32, advance: Advance) -> Int32:
            lists = extra(config, users)
            advance(len(users))
            return lists

        return produce

    # A list of items like the ones on the page answers another question.
    found = {name: of_source(name) for name in snapshot.pipeline.sources if not name.startswith("similar")}
    if taken := {*found, PIPELINE} & set(extras):
        raise ValueError(f"extras need names of their own, got {sorted(taken)}")
    found |= {name: of_extra(extra) for name, extra in extras.items()}
    found[PIPELINE] = lambda config, users, advance: lists_of_pipeline(snapshot, config, users, at=at, advance=advance)
    return found


def _ids(snapshot: Snapshot, users: Int32) -> NDArray[np.str_]:
    return np.array(snapshot.users.ids(users), np.str_)


def _facts(
    dataset: Dataset,
    cut: Cut,
    exposure: Exposure,
    slices: tuple[Slice, ...],
    sliced: Mapping[str, Mapping[str, Scored]],
) -> dict[str, Any]:
    past = dataset.interactions
    used = {part for parts in sliced.values() for part in parts}
    about = {part.name: part.about for part in slices} | {NEWCOMERS: ABOUT_NEWCOMERS}
    return {
        "split_at": _iso(cut.start),
        "ends_at": _iso(cut.end),
        "horizon_days": round((cut.end - cut.start) / DAY_S, 2),
        "target_types": list(dataset.settings.events.target_types),
        "n_events": len(past),
        "n_users_with_events": len(np.unique(past.users)),
        "n_items": len(dataset.item_ids),
        "n_items_with_events": int(exposure.known.sum()),
        "n_users": {task: len(truth) for task, truth in cut.truths.items()},
        "n_pairs": {task: len(truth.items) for task, truth in cut.truths.items()},
        "n_pairs_of_unseen_items": {
            task: int((~exposure.known[truth.items]).sum()) for task, truth in cut.truths.items()
        },
        "n_new_users": len(cut.newcomers),
        "n_unknown_users": cut.n_strangers,
        "slice_definitions": {name: sentence for name, sentence in about.items() if name in used},
    }


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


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
