"""By which statistics the sources of what is popular rank items: the same when a rebuild counts and between two."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from recsys.arrays import Bool, Float32, frozen
from recsys.sources.affinity import AffinityPopular
from recsys.sources.popular import Popular
from recsys.sources.stored import StoredSource
from recsys.statistics import NAMES, ItemStatistics

POPULAR = "popular"
FRESH = "fresh"
FRESH_WEEKS = 4.0


def _column(values: Float32, name: str) -> Float32:
    return values[:, NAMES.index(name)]


# Of rows (m, 15) of statistics: what orders the items of a source. What was taken of late, then what ever was.
SCORES: Mapping[str, Callable[[Float32], Float32]] = {
    POPULAR: lambda values: _column(values, "users_4w") + np.float32(1e-3) * _column(values, "users_all"),
    "first": lambda values: _column(values, "first_chance_8w"),
    "trending": lambda values: _column(values, "popularity_2w"),
    FRESH: lambda values: _column(values, "popularity_2w"),
}


def among(name: str, values: Float32) -> Bool | None:
    """bool (m,): which items the source ``name`` may name, by rows (m, 15) of statistics; None: every one."""
    return frozen(_column(values, "age_weeks") < FRESH_WEEKS, np.bool_) if name == FRESH else None


def ranked(name: str, statistics: ItemStatistics) -> Popular:
    """The source ``name`` of ``SCORES`` as of ``statistics``."""
    values = statistics.values
    return Popular.of(frozen(SCORES[name](values), np.float32), name, among=among(name, values))


def as_of(source: StoredSource, statistics: ItemStatistics) -> StoredSource:
    """``source`` as of ``statistics``, where it is made of nothing else; any other as it is."""
    if isinstance(source, Popular) and source.name in SCORES:
        return ranked(source.name, statistics)
    if isinstance(source, AffinityPopular):
        return AffinityPopular.of(source.codes, takers_of(statistics), source.name)
    return source


def takers_of(statistics: ItemStatistics) -> Float32:
    """(n_items,) users of each item in the last 12 weeks."""
    return frozen(np.expm1(statistics.column("users_12w")), np.float32)
