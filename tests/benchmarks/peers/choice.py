"""Settings of a method chosen on a window before the one that is reported, as an adopter would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from peers.cut import TASKS, Cut, sampled
from peers.history import History
from peers.lists import best_lists
from peers.methods import Method
from peers.scoring import pooled, score
from peers.tables import Events

MOST_USERS = 1_000


@dataclass(frozen=True, slots=True)
class Choice:
    """setting: for ``Method.fit`` · exclude_owned: whether its lists leave out what the user has."""

    setting: Mapping[str, Any]
    exclude_owned: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**self.setting, "exclude_owned": self.exclude_owned}


def usual(method: Method) -> dict[str, Choice]:
    """The first setting, by task."""
    return {task: Choice(method.settings[0], task == "novel") for task in TASKS}


def choose(method: Method, events: Events, cut: Cut, *, with_all_events: bool) -> dict[str, Choice]:
    """What has the best NDCG@10 on ``cut``, by task; the usual setting where there is nothing to choose by.

    A list for ``all`` may leave out what the user has: that pays where nothing is taken twice.
    """
    chosen, best = usual(method), dict.fromkeys(TASKS, -1.0)
    truths = {task: sampled(cut.truth(events, task), MOST_USERS) for task in TASKS}
    if not any(truth.height for truth in truths.values()):
        return chosen
    users = pl.concat(truths.values())["user_id"].unique().sort().to_list()
    history = History.of(cut.before(events), start=cut.start, with_all_events=with_all_events)
    for setting in method.settings:
        scores = method.fit(history, **setting)
        lists = best_lists(history, scores, users)
        for task, truth in truths.items():
            for exclude_owned in (True,) if task == "novel" else (False, True):
                shown = lists[exclude_owned]
                ndcg = pooled([score(shown, shown, truth, history.item_ids)])["ndcg@10"] if truth.height else -1.0
                if ndcg > best[task]:
                    best[task], chosen[task] = ndcg, Choice(setting, exclude_owned)
    return chosen
