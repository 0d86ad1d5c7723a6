"""The table features are computed on: candidates of one or many queries, with the queries' histories beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.decay import age_weeks
from recsys.grouping import Groups
from recsys.query import Candidates, Query


@dataclass(frozen=True, slots=True)
class Rows:
    """C candidates of Q queries, H interactions of their histories.

    starts (Q+1,) first candidate of each query · query_of (C,), items (C,) · scores and ranks (C, S) ·
    history_starts (Q+1,), history_query (H,), history_items (H,), weights (H,), targets (H,), ages (H,) in weeks at
    the query's time · baskets (H,) which shopping trip, 0 the newest: events of one user at one time are one trip ·
    pairs: the history grouped by (query, item), newest first.
    """

    queries: tuple[Query, ...]
    n_items: int
    starts: Int64
    query_of: Int64
    items: Int32
    scores: Float32
    ranks: Float32
    history_starts: Int64
    history_query: Int64
    history_items: Int32
    weights: Float64
    targets: Bool
    ages: Float64
    baskets: Int64
    pairs: Groups

    def __len__(self) -> int:
        return len(self.items)

    @property
    def keys(self) -> Int64:
        """(query, item) of each candidate as one number (C,)."""
        return self.query_of * self.n_items + self.items


def stack(queries: Sequence[Query], candidates: Sequence[Candidates], n_items: int) -> Rows:
    """One table for all ``queries`` and their ``candidates``. Memory: 60 bytes an interaction, 8 + 8 S a candidate."""
    lengths = np.array([len(c) for c in candidates], np.int64)
    history_lengths = np.array([len(q.history) for q in queries], np.int64)
    history_query = np.repeat(np.arange(len(queries)), history_lengths)
    times = np.concatenate([q.history.times for q in queries])
    history_items = np.concatenate([q.history.items for q in queries])
    return Rows(
        queries=tuple(queries),
        n_items=n_items,
        starts=_starts(lengths),
        query_of=np.repeat(np.arange(len(queries)), lengths),
        items=np.concatenate([c.items for c in candidates]),
        scores=np.concatenate([c.scores for c in candidates]),
        ranks=np.concatenate([c.ranks for c in candidates]),
        history_starts=_starts(history_lengths),
        history_query=history_query,
        history_items=history_items,
        weights=np.concatenate([q.history.weights for q in queries]).astype(np.float64),
        targets=np.concatenate([q.history.targets for q in queries]),
        ages=age_weeks(times, np.repeat(np.array([q.at for q in queries], np.int64), history_lengths)),
        baskets=_baskets(history_query, times, history_lengths),
        pairs=Groups.of(history_query * n_items + history_items),
    )


def _starts(lengths: Int64) -> Int64:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _baskets(query: Int64, times: Int64, lengths: Int64) -> Int64:
    """Ordinal of each interaction's trip within its query, counted from the newest."""
    change = np.zeros(len(times), np.int64)
    if len(times):
        change[1:] = (times[1:] != times[:-1]) | (query[1:] != query[:-1])
    ordinal = np.cumsum(change)
    first = _starts(lengths)[:-1]
    base = np.zeros(len(lengths), np.int64)
    base[lengths > 0] = ordinal[first[lengths > 0]]
    return ordinal - np.repeat(base, lengths)
