"""Other ways to train the forests, judged as rebuild judges: on windows that nothing was trained on, paired by user.

    python tests/benchmarks/objectives.py [--data DIR] [--until ISO] [--cache DIR]

Without --data: Complete Journey in .demo/data before 2017-12-04T05:00Z. The reference is the first recipe of each head:
binary labels and objective, a fixed number of trees. A grade is how often the user took the item in the window, at most
4.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import lightgbm as lgb
import numpy as np

from index.builder import Builder
from index.frames import Frame
from index.heads import HEADS, Head, parameters, rows_of, sample_of
from index.labelled import Labelled
from index.loading import load_for
from index.progress import Stages
from index.rebuild_command import cache_folder, instant
from index.select_or_reuse import selected
from index.selection import lists_of
from index.stage_cache import StageCache
from recsys.arrays import Float32, Float64, Int64
from recsys.evaluation.bootstrap import differences
from recsys.evaluation.metrics import per_user
from recsys.interactions import Interactions
from recsys.ranker import Forest

REFERENCE = "binary"
MOST_GRADE = 4
SEED = 7
CACHE_BYTES = 10 << 30
# More than any window has queries: what tells the queries of one window from those of another.
STRIDE = 1_000_000


@dataclass(frozen=True, slots=True)
class Lesson:
    """sample: rows whose queries are numbered through all windows · grades (R,) float32, 0 for a negative · weights
    (R,) float32: 1 / positives of the row's query.
    """

    head: Head
    sample: Frame
    grades: Float32
    weights: Float32

    def grown(self, objective: str, *, graded: bool = False, weighed: bool = False, n_trees: int = 0) -> Forest:
        """A forest with the head's first recipe but for what is named."""
        recipe = self.head.recipes[0]
        settings = {**parameters(recipe, self.sample, seed=SEED), "objective": objective}
        data = lgb.Dataset(
            self.sample.features,
            self.grades if graded else self.sample.labels.astype(np.float32),
            group=None if objective == REFERENCE else np.unique(self.sample.query, return_counts=True)[1],
            weight=self.weights if weighed else None,
        )
        return Forest(lgb.train(settings, data, n_trees or recipe.n_trees), n_threads=settings["num_threads"])

    def stopped_early(self) -> Forest:
        """As many trees as do best on the newest window that is learnt from, then grown on all windows."""
        newest = self.sample.query // STRIDE == (self.sample.query // STRIDE).min()
        if newest.all():
            return self.grown(REFERENCE)
        recipe = self.head.recipes[0]
        settings = {**parameters(recipe, self.sample, seed=SEED), "metric": "average_precision"}

        def data(part: Frame) -> Any:
            return lgb.Dataset(part.features, part.labels.astype(np.float32), free_raw_data=False)

        learnt = data(self.sample.where(~newest))
        stop = lgb.early_stopping(30, verbose=False)
        tried = lgb.train(
            settings,
            learnt,
            3 * recipe.n_trees,
            valid_sets=[learnt.create_valid(*_arrays(self.sample.where(newest)))],
            callbacks=[stop],
        )
        return self.grown(REFERENCE, n_trees=tried.best_iteration)


WAYS: dict[str, Callable[[Lesson], Forest]] = {
    REFERENCE: lambda lesson: lesson.grown(REFERENCE),
    "binary, early stopping": lambda lesson: lesson.stopped_early(),
    "binary, users of equal weight": lambda lesson: lesson.grown(REFERENCE, weighed=True),
    "lambdarank": lambda lesson: lesson.grown("lambdarank"),
    "lambdarank, graded": lambda lesson: lesson.grown("lambdarank", graded=True),
    "rank_xendcg": lambda lesson: lesson.grown("rank_xendcg"),
    "rank_xendcg, graded": lambda lesson: lesson.grown("rank_xendcg", graded=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file: task -> way -> NDCG@10, its difference to the reference with an interval, and seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--until", type=instant, metavar="ISO", help="nothing after it is read (to the last event)")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="DIR", help="as of rebuild (%(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench/objectives.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    until = options.until if options.data or options.until else instant("2017-12-04T05:00Z")
    with Stages() as stages:
        dataset, end = load_for(options.data or Path(".demo/data"), None, until=until, stages=stages)
        kept = StageCache(options.cache / "stages", CACHE_BYTES)
        builder = Builder.of(dataset, cache=options.cache, stages=stages, kept=kept)
        windows = selected(builder, end, None, None).learnt.windows
        told = {head.task: compared(head, windows, dataset.interactions, len(dataset.item_ids)) for head in HEADS}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(told, indent=1) + "\n")
    for task, ways in told.items():
        for way, figures in ways.items():
            print(f"{task:6} {way:30} " + "  ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    return 0


def compared(
    head: Head, windows: Sequence[Labelled], events: Interactions, n_items: int
) -> dict[str, dict[str, float]]:
    """Figures of every way, over the judged windows that older ones can teach."""
    scores: dict[str, list[Float64]] = {way: [] for way in WAYS}
    seconds = dict.fromkeys(WAYS, 0.0)
    users: list[Int64] = []
    for judged in windows:
        older = [other for other in windows if other.window.end <= judged.window.start]
        lesson = lesson_of(head, older, events, n_items) if judged.whole and older else None
        if lesson is None:
            continue
        truth = judged.truths[head.task]
        users.append(truth.users.astype(np.int64))
        for way, grow in WAYS.items():
            begun = perf_counter()
            forest = grow(lesson)
            seconds[way] += perf_counter() - begun
            lists = lists_of(rows_of(head, judged.frame), forest, judged.asked, truth)
            scores[way].append(per_user(lists, truth, n_items)["ndcg@10"])
    if not users:
        return {}
    columns = {way: np.concatenate(parts) for way, parts in scores.items()}
    gaps = differences(columns, REFERENCE, np.concatenate(users))
    return {
        way: {
            "ndcg@10": float(column.mean()),
            "windows": len(users),
            **(
                {"minus binary": -gaps[way].mean, "low": -gaps[way].high, "high": -gaps[way].low} if way in gaps else {}
            ),
            "seconds": round(seconds[way], 1),
        }
        for way, column in columns.items()
    }


def lesson_of(head: Head, windows: Sequence[Labelled], events: Interactions, n_items: int) -> Lesson | None:
    """What ``windows`` teach; None when it is too little."""
    frames = [
        replace(window.frame, query=window.frame.query + STRIDE * number) for number, window in enumerate(windows)
    ]
    sample = sample_of(head, frames, seed=SEED)
    if sample is None:
        return None
    grades = np.zeros(len(sample), np.float32)
    for number, window in enumerate(windows):
        inside = events.between(window.window.start, window.window.end)
        good = inside.targets & (inside.weights > 0)
        keys, counts = np.unique(inside.users[good].astype(np.int64) * n_items + inside.items[good], return_counts=True)
        mine = np.flatnonzero((sample.query // STRIDE == number) & sample.labels)
        wanted = window.asked.users[sample.query[mine] % STRIDE].astype(np.int64) * n_items + sample.items[mine]
        grades[mine] = np.minimum(counts[np.searchsorted(keys, wanted)], MOST_GRADE)
    _, group = np.unique(sample.query, return_inverse=True)
    positives = np.bincount(group, weights=sample.labels)
    return Lesson(head, sample, grades, (1.0 / positives[group]).astype(np.float32))


def _arrays(part: Frame) -> tuple[Float32, Float32]:
    return part.features, part.labels.astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
