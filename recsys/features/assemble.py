"""The one way features are made, offline and online alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.features.affinity import Affinity
from recsys.features.closeness import Closeness
from recsys.features.item import ItemColumns
from recsys.features.platform import PlatformColumns
from recsys.features.profile import ProfileColumns
from recsys.features.repeat import Repeat
from recsys.features.retrieval import Retrieval
from recsys.features.rows import Rows, stack
from recsys.features.user import UserColumns
from recsys.query import Candidates, Query
from recsys.sources.protocol import Scorer, Source


class Family(Protocol):
    """Some features that are computed together."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, unique over all families."""

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, len(names)) float32; NaN where there is nothing to say."""


def families_of(context: Context, sources: Mapping[str, Source]) -> tuple[Family, ...]:
    """The families that fit the data: a catalogue without categories simply has no affinity columns."""
    scorers = {name: source for name, source in sources.items() if isinstance(source, Scorer)}
    return (
        Retrieval(tuple(sources), tuple(name for name in sources if name not in scorers)),
        Repeat(),
        ItemColumns(),
        UserColumns(),
        Affinity(tuple(context.families)),
        Closeness(scorers),
        ProfileColumns(context.profiles.names),
        PlatformColumns(context.platforms),
    )


def feature_names(families: Sequence[Family]) -> tuple[str, ...]:
    """All columns, in order."""
    return tuple(name for family in families for name in family.names)


def assemble(
    families: Sequence[Family], queries: Sequence[Query], candidates: Sequence[Candidates], context: Context
) -> tuple[Float32, Rows]:
    """Features (C, F) float32 of all candidates of ``queries`` in order, and the table they were computed on."""
    rows = stack(queries, candidates, len(context.catalogue))
    matrix = np.empty((len(rows), sum(len(family.names) for family in families)), np.float32)
    column = 0
    for family in families:
        width = len(family.names)
        if width:
            matrix[:, column : column + width] = family.compute(rows, context)
        column += width
    return matrix, rows
