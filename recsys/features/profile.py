"""The user's profile columns as they are; all NaN for a user without a profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.features.rows import Rows

PROFILE = "profile: "


@dataclass(frozen=True, slots=True)
class ProfileColumns:
    """One column a profile column."""

    profile: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """``profile: <column>``."""
        return tuple(f"{PROFILE}{name}" for name in self.profile)

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, P)."""
        return np.stack([context.profiles.of_query(query) for query in rows.queries])[rows.query_of]
