"""What the sources said: their scores and ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.features.rows import Rows


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Rank of each source, NaN where it did not return the candidate, and the score of those whose score of every
    candidate is not a feature anyway (``closeness``).
    """

    sources: tuple[str, ...]
    scored: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """``<source>_rank`` of all sources, then ``<source>_score`` of ``scored``."""
        return tuple(f"{s}_rank" for s in self.sources) + tuple(f"{s}_score" for s in self.scored)

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, S + scored)."""
        columns = [self.sources.index(name) for name in self.scored]
        return np.concatenate([rows.ranks, rows.scores[:, columns]], axis=1)
