"""Profile columns of users: numbers as they are, categories as codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.snapshot.files import SnapshotReader, SnapshotWriter


@dataclass(frozen=True, slots=True)
class Profiles:
    """names (P,) and values (n_users, P) float32: NaN where unknown, category codes as small whole numbers."""

    names: tuple[str, ...]
    values: Float32

    def of(self, user: int | None) -> Float32:
        """The profile (P,) of a user number; all NaN for None."""
        return np.full(len(self.names), np.nan, np.float32) if user is None else self.values[user]

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``profiles.*``."""
        out.json("profiles.json", list(self.names))
        out.array("profiles.values", self.values)

    @classmethod
    def read(cls, src: SnapshotReader) -> Profiles:
        """The columns that ``write`` stored."""
        return cls(tuple(src.json("profiles.json")), src.array("profiles.values"))
