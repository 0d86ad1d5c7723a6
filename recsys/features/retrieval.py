"""What the sources said: their scores and ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.features.rows import Rows


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Score and rank of each source, NaN where it did not return the candidate."""

    sources: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """``<source>_score`` of all sources, then ``<source>_rank``."""
        return tuple(f"{s}_score" for s in self.sources) + tuple(f"{s}_rank" for s in self.sources)

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, 2 S)."""
        return np.concatenate([rows.scores, rows.ranks], axis=1)
