"""A split: what is fitted before it, what is true after it, and how lists fare there."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass

from diversity.pools import Pools
from diversity.setting import Row

from index.build import build
from index.builder import Builder
from index.evaluation import Cut, _exposure
from index.loading import load_for
from index.progress import Stages
from index.scoring import lists_of_source
from index.stage_cache import StageCache, bytes_allowed
from recsys.arrays import Int32
from recsys.ask import Ask
from recsys.evaluation.metrics import Exposure, K, beyond_accuracy, per_user
from recsys.evaluation.truth import Truth
from recsys.model import Snapshot


@dataclass(frozen=True, slots=True)
class Window:
    """One split: what was fitted before it, and what is true after it."""

    start: int
    snapshot: Snapshot
    truths: Mapping[str, Truth]
    exposure: Exposure

    @classmethod
    def of(cls, options: argparse.Namespace, start: int, *, end: int | None) -> Window:
        """Fit on events before ``start``; the truth is of [start, end)."""
        with Stages() as stages:
            dataset, _ = load_for(options.data, options.config, until=start, stages=stages)
            cut = Cut.read(options.data, dataset, start=start, end=end)
            # Rows that a rebuild or an evaluation of the same split has kept need not be made again.
            kept = StageCache(options.cache / "stages", bytes_allowed(os.environ), say=stages.print)
            built = build(Builder.of(dataset, cache=options.cache, stages=stages, kept=kept), end=start)
        return cls(start, built.snapshot, cut.truths, _exposure(dataset, built.snapshot, cut.n_items))

    def pools(self, task: str, config: str) -> Pools:
        """The pools of the users of ``task``."""
        asks = [Ask(at=self.start, user_id=user) for user in self.snapshot.users.ids(self.truths[task].users)]
        return Pools.of(self.snapshot, self.snapshot.configs[config], asks)

    def row(self, task: str, lists: Int32) -> Row:
        """Means over users of the accuracy of ``lists``, and what lies beyond it."""
        truth = self.truths[task]
        accuracy = per_user(lists, truth, len(self.exposure.known))
        means = {name: float(accuracy[name].mean()) for name in (f"ndcg@{K}", f"recall@{K}")}
        return means | beyond_accuracy(lists, truth, self.exposure)

    def sources(self, task: str, config: str) -> dict[str, Row]:
        """Each source that needs no context item, alone."""
        users = self.truths[task].users
        names = [name for name in self.snapshot.pipeline.sources if not name.startswith("similar")]
        return {
            name: self.row(task, lists_of_source(self.snapshot, name, config, users, at=self.start)) for name in names
        }
