"""The ranker's best of every query, reordered by the policies that serve under any setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from diversity.setting import Setting

from index.scoring import CHUNK
from recsys.arrays import Bool, Int32, frozen
from recsys.ask import Ask, resolve
from recsys.context import Context
from recsys.evaluation.metrics import K
from recsys.model import Snapshot
from recsys.policies.chain import policies_of, select
from recsys.policies.pool import POOL
from recsys.query import Query, Recommendation, Slate
from recsys.serving import ServingConfig

NO_ITEMS: Bool = frozen([], np.bool_)


@dataclass(frozen=True, slots=True)
class Pools:
    """The ranker's best of each query of a task, before any policy."""

    config: ServingConfig
    trained: bool
    context: Context
    queries: tuple[Query, ...]
    slates: tuple[Slate, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, config: ServingConfig, asks: Sequence[Ask]) -> Pools:
        """Retrieve and score once, under the rules of ``config``."""
        plain_config = replace(config, diversity=0.0, spread=0.0)
        queries: list[Query] = []
        answers: list[Recommendation] = []
        for start in range(0, len(asks), CHUNK):
            part = [replace(ask, serving_config=config.name, limit=POOL) for ask in asks[start : start + CHUNK]]
            resolved = [replace(resolve(ask, snapshot).query, config=plain_config) for ask in part]
            answers += snapshot.pipeline.recommend_many(resolved)
            # Masks of a whole catalogue and vectors remembered have done their work.
            queries += [replace(query, allowed=NO_ITEMS, remembered={}) for query in resolved]
        trained = config.ranker in snapshot.pipeline.rankers
        return cls(config, trained, snapshot.model.context, tuple(queries), tuple(a.slate for a in answers))

    def lists(self, setting: Setting, limit: int = K) -> Int32:
        """(Q, limit) answers under ``setting``; -1 where there are fewer items."""
        config = replace(self.config, diversity=setting[0], spread=setting[1])
        policies = policies_of(config, trained=self.trained)
        lists = np.full((len(self.queries), limit), -1, np.int32)
        for row, (query, slate) in enumerate(zip(self.queries, self.slates, strict=True)):
            positions = select(policies, replace(query, limit=limit), slate, self.context)[:limit]
            lists[row, : len(positions)] = slate.items[positions]
        return lists

    def milliseconds(self, setting: Setting, limit: int) -> float:
        """What ``setting`` adds to a query with ``limit``."""
        started = perf_counter()
        self.lists(setting, limit)
        after = perf_counter()
        self.lists((0.0, 0.0), limit)
        return (after - started - (perf_counter() - after)) / len(self.queries) * 1e3
