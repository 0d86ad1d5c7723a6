"""Lists for many users, by a source alone or by the whole pipeline, as the server would give them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys.arrays import Int32
from recsys.ask import Ask, resolve
from recsys.evaluation.metrics import DEEP
from recsys.model import Snapshot
from recsys.query import EMPTY_HITS

CHUNK = 128
Advance = Callable[[int], None]


def lists_of_source(
    snapshot: Snapshot, source: str, config: str, users: Int32, *, at: int, advance: Advance = lambda n: None
) -> Int32:
    """(Q, 100) best items of one source under the rules of serving config ``config``; -1 where it has fewer."""
    chosen = snapshot.pipeline.sources.get(source)
    lists = np.full((len(users), DEEP), -1, np.int32)
    for row, user_id in enumerate(snapshot.users.ids(users)):
        query = resolve(Ask(at=at, user_id=user_id, serving_config=config), snapshot).query
        hits = chosen.retrieve(query, DEEP) if chosen is not None else EMPTY_HITS
        lists[row, : len(hits)] = hits.items
        advance(1)
    return lists


def lists_of_pipeline(
    snapshot: Snapshot, config: str, users: Int32, *, at: int, advance: Advance = lambda n: None
) -> Int32:
    """(Q, 100) answers of the whole pipeline; -1 where it has fewer."""
    lists = np.full((len(users), DEEP), -1, np.int32)
    user_ids = snapshot.users.ids(users)
    for start in range(0, len(users), CHUNK):
        asks = [Ask(at=at, user_id=u, serving_config=config, limit=DEEP) for u in user_ids[start : start + CHUNK]]
        answers = snapshot.pipeline.recommend_many([resolve(ask, snapshot).query for ask in asks])
        for row, answer in enumerate(answers, start):
            lists[row, : len(answer.slate)] = answer.slate.items
        advance(len(asks))
    return lists
