"""Search for a better recipe within a budget of minutes. The one module that knows Optuna."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.frames import Frame
from index.heads import BINARY, OBJECTIVES, Head, Recipe, rows_of, sample_of, train
from index.labelled import Labelled
from index.selection import lists_of
from recsys.errors import InputError
from recsys.evaluation.metrics import per_user

NAME = "tuned"


@dataclass(frozen=True, slots=True)
class Budget:
    """minutes: of search for each head, 0 = no search · journal: where trials are kept, so that a search that was cut
    off goes on · data: what tells one data set from another; trials on other data only say where to begin.
    """

    minutes: float
    journal: Path
    data: str

    @classmethod
    def of(cls, minutes: float, folder: Path, facts: Sequence[object]) -> Budget:
        """``facts``: what the data are, in an order that stays."""
        digest = hashlib.sha256(json.dumps([str(fact) for fact in facts]).encode()).hexdigest()[:12]
        return cls(minutes, folder / "tuning.journal", digest)


def tune(
    head: Head,
    windows: Sequence[Labelled],
    n_items: int,
    budget: Budget,
    *,
    seed: int,
    advance: Callable[[int], None] = lambda n: None,
) -> tuple[Recipe, str] | None:
    """The best recipe found in the budget, by mean NDCG@10 over the judged windows, and what was done in words.

    Trees grow on windows that ended before the judged one, as in ``selection.choose``, where the result is one more
    contender. None without a window to judge by. InputError when the journal cannot be written.
    """
    import optuna

    tasks = _tasks(head, windows, seed)
    if not tasks or budget.minutes <= 0:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(optuna, head, budget, seed)
    begin, n_before = time.monotonic(), len(study.get_trials(deepcopy=False))
    n_trials = 0
    while time.monotonic() - begin < 60 * budget.minutes:
        trial = study.ask()
        recipe = _suggested(trial)
        total, n_users = 0.0, 0
        for sample, judged in tasks:
            forest = train(recipe, sample, seed=seed)
            truth = judged.truths[head.task]
            lists = lists_of(rows_of(head, judged.frame), forest, judged.asked, truth)
            ndcg = per_user(lists, truth, n_items)["ndcg@10"]
            total, n_users = total + float(ndcg.sum()), n_users + len(ndcg)
        study.tell(trial, total / n_users)
        n_trials += 1
        advance(1)
    best = study.best_trial
    said = f"{n_trials} recipes tried for {head.name} after {n_before} before, the best reaches {best.value:.4f}"
    return _recipe(best.params), said


def _tasks(head: Head, windows: Sequence[Labelled], seed: int) -> list[tuple[Frame, Labelled]]:
    found = []
    for judged in windows:
        if not judged.whole or not len(judged.truths[head.task]):
            continue
        older = [other.frame for other in windows if other.window.end <= judged.window.start]
        sample = sample_of(head, older, seed=seed) if older else None
        if sample is not None:
            found.append((sample, judged))
    return found


def _study(optuna: Any, head: Head, budget: Budget, seed: int) -> Any:
    """The study of this head on this data; a new one begins with the recipes in code and the best of other data's."""
    try:
        budget.journal.parent.mkdir(parents=True, exist_ok=True)
        backend = optuna.storages.journal.JournalFileBackend(str(budget.journal))
        storage = optuna.storages.JournalStorage(backend)
    except OSError as error:
        raise InputError(f"cannot write {budget.journal}: {error.strerror}") from error
    earlier = [s for s in optuna.get_all_study_summaries(storage) if s.study_name.startswith(f"{head.name}/")]
    study = optuna.create_study(
        storage=storage,
        study_name=f"{head.name}/{budget.data}",
        direction="maximize",
        # Another stream for each continuation, or it would ask the first questions again.
        sampler=optuna.samplers.TPESampler(seed=seed + sum(s.n_trials for s in earlier)),
        load_if_exists=True,
    )
    if not study.get_trials(deepcopy=False):
        for recipe in head.recipes:
            values = asdict(recipe)
            del values["name"], values["by_all"]
            study.enqueue_trial(values)
        for summary in earlier:
            if summary.best_trial is not None and summary.study_name != study.study_name:
                study.enqueue_trial(summary.best_trial.params)
    return study


def _suggested(trial: Any) -> Recipe:
    return Recipe(
        name=NAME,
        n_trees=trial.suggest_int("n_trees", 40, 500, log=True),
        n_leaves=trial.suggest_int("n_leaves", 4, 63, log=True),
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        least_rows_in_leaf=trial.suggest_int("least_rows_in_leaf", 10, 1000, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.15, 1.0),
        lambda_l2=trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),
        objective=trial.suggest_categorical("objective", OBJECTIVES),
        random_splits=trial.suggest_categorical("random_splits", (False, True)),
    )


def _recipe(params: dict[str, Any]) -> Recipe:
    numbers = [float(value) for name, value in params.items() if name != "objective"]
    if not all(map(math.isfinite, numbers)) or params.get("objective", BINARY) not in OBJECTIVES:
        raise InputError("the journal of an earlier search holds a value that no recipe has: delete it")
    return Recipe(name=NAME, **params)


def facts_of(interactions: Any, n_users: int, n_items: int) -> tuple[object, ...]:
    """What tells this data from other data, or from the same shop a day later."""
    times = interactions.times
    return len(interactions), n_users, n_items, int(times.min()), int(times.max()), float(np.sum(interactions.weights))
