"""One table of candidates from the hits of many sources, and what lies below it to fill a list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.arrays import Float32, Int32, Int64, frozen
from recsys.query import Candidates, Hits

NOTHING: Int32 = frozen([], np.int32)
# The source that can go on when all others have no more.
FILLING = "popular"


def unite(names: tuple[str, ...], hits: Sequence[Hits], also: Int32 = NOTHING) -> Candidates:
    """All hits, and the items ``also``, as one table in item order; NaN where a source did not return the item."""
    items = np.unique(np.concatenate([also, *(found.items for found in hits)]))
    scores = np.full((len(items), len(names)), np.nan, np.float32)
    ranks = np.full((len(items), len(names)), np.nan, np.float32)
    for column, found in enumerate(hits):
        position = np.searchsorted(items, found.items)
        scores[position, column] = found.scores
        ranks[position, column] = np.arange(len(found))
    return Candidates(frozen(items, np.int32), names, scores, ranks)


def filled(found: Candidates, more: Hits, k: int) -> Candidates:
    """``found``, untouched, and below it what ``more`` of the filling source has from place ``k`` on; in item order."""
    places = k + np.flatnonzero(~np.isin(more.items[k:], found.items))
    return _below(found, more.items[places], more.scores[places], places)


def behind(found: Candidates, rest: Hits) -> Candidates:
    """``found``, untouched, and below all of it what ``rest`` of the filling source has; in item order."""
    start = 1 + int(np.nanmax(found.ranks[:, found.names.index(FILLING)], initial=-1.0))
    return _below(found, rest.items, rest.scores, start + np.arange(len(rest)))


def _below(found: Candidates, new: Int32, new_scores: Float32, places: Int64) -> Candidates:
    scores, ranks = (np.full((len(places), len(found.names)), np.nan, np.float32) for _ in range(2))
    column = found.names.index(FILLING)
    scores[:, column], ranks[:, column] = new_scores, places
    items = np.concatenate([found.items, new])
    order = np.argsort(items)
    return Candidates(
        frozen(items[order], np.int32),
        found.names,
        np.concatenate([found.scores, scores])[order],
        np.concatenate([found.ranks, ranks])[order],
    )
