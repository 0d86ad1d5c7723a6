"""What each source that can score any item thinks of every candidate, whichever source it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.features.rows import Rows
from recsys.sources.protocol import Scorer


@dataclass(frozen=True, slots=True)
class Closeness:
    """One column a scorer, NaN where it has nothing to say; all NaN but of the profile for a user without a history."""

    scorers: Mapping[str, Scorer]

    @property
    def names(self) -> tuple[str, ...]:
        """``<source>_closeness``."""
        return tuple(f"{name}_closeness" for name in self.scorers)

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, S). One small product a query: a table of all candidates' vectors would take gigabytes offline."""
        out = np.full((len(rows), len(self.scorers)), np.nan, np.float32)
        for position, query in enumerate(rows.queries):
            part = slice(rows.starts[position], rows.starts[position + 1])
            items = rows.items[part]
            for column, (name, scorer) in enumerate(self.scorers.items()):
                if len(query.history) or name in FROM_PROFILE:
                    out[part, column] = scorer.score(query, items)
        return out


# Sources that have something to say of a profile alone.
FROM_PROFILE = frozenset({"segment", "two-tower", "adoption"})
