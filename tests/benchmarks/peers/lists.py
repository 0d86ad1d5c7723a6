"""The best items of each user, from scores or from files, as tables of user_id, rank (from 1), item_id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from peers.ease import Scores
from peers.history import History

DEEP = 100
BLOCK = 64
Numbers = npt.NDArray[np.int64]
Block = npt.NDArray[np.float32]


def best_lists(history: History, scores: Scores, user_ids: Sequence[str]) -> dict[bool, pl.DataFrame]:
    """The top 100 of every user, once among all items (False) and once without those the user has (True).

    What a method does not score is filled from the last 4 weeks' popularity.
    """
    users, filler = history.numbers_of(user_ids), _filler(history)
    parts: dict[bool, list[Numbers]] = {False: [np.empty((0, DEEP), np.int64)], True: [np.empty((0, DEEP), np.int64)]}
    for start in range(0, len(users), BLOCK):
        some = users[start : start + BLOCK]
        values = _filled(scores(some), filler)
        parts[False].append(_top(values))
        values[history.owned[some].nonzero()] = -np.inf
        parts[True].append(_top(values))
    return {without: _table(history, user_ids, np.concatenate(items)) for without, items in parts.items()}


def _table(history: History, user_ids: Sequence[str], items: Numbers) -> pl.DataFrame:
    shown = items >= 0
    ranks = np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape)
    return pl.DataFrame(
        {
            "user_id": pl.Series(user_ids, dtype=pl.String).gather(np.repeat(np.arange(len(items)), shown.sum(axis=1))),
            "rank": ranks[shown],
            "item_id": history.item_ids.gather(items[shown]),
        }
    )


def _filler(history: History) -> Block:
    """(I,) in [0, 1): items by the last 4 weeks' popularity, then by all there was."""
    recent, ever = history.popularity(weeks=4), history.popularity()
    order = np.lexsort((np.arange(len(ever)), -ever, -recent))
    place = np.empty(len(order), np.float32)
    place[order] = 1.0 - (np.arange(len(order), dtype=np.float32) + 1.0) / (len(order) + 1.0)
    return place


def _filled(scores: Block, filler: Block) -> Block:
    """``scores`` (B, I) with every 0 replaced by something less than all scores, in the order of ``filler`` (I,)."""
    below = np.minimum(scores.min(axis=1), 0.0)[:, None] - 1.0
    return np.where(scores == 0.0, below + 0.999 * filler, scores)


def _top(values: Block) -> Numbers:
    """(B, 100) item numbers, best first, ties by number; -1 = there is no further item."""
    near = _in_best_groups(values)
    found = np.take_along_axis(values, near, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")[:, :DEEP]
    items = np.full((len(values), DEEP), -1, np.int64)
    places = items[:, : order.shape[1]]
    places[:] = np.take_along_axis(near, order, axis=1)
    places[~np.isfinite(np.take_along_axis(found, order, axis=1))] = -1
    return items


def _in_best_groups(values: Block, size: int = 64) -> Numbers:
    """(B, G) item numbers, ascending, the best 100 among them: the 100 groups of neighbours with the best item.

    Many times faster than a partition of whole rows, and exact, ties included.
    """
    n_users, n_items = values.shape
    n_groups = n_items // size
    if n_groups <= DEEP:
        return np.tile(np.arange(n_items), (n_users, 1))
    best = values[:, : n_groups * size].reshape(n_users, n_groups, size).max(axis=2)
    groups = np.sort(np.argsort(-best, axis=1, kind="stable")[:, :DEEP], axis=1)
    inside = (groups[:, :, None] * size + np.arange(size)).reshape(n_users, -1)
    rest = np.tile(np.arange(n_groups * size, n_items), (n_users, 1))
    return np.concatenate([inside, rest], axis=1)
