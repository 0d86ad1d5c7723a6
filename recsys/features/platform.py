"""Where the user is: on the platform they ask from, else on the one they were last on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.context import Context
from recsys.features.rows import Rows
from recsys.platforms import UNKNOWN

PLATFORM = "platform: "


@dataclass(frozen=True, slots=True)
class PlatformColumns:
    """One column a platform, of which there are none where all that is known is on one."""

    platforms: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """``platform: <name>``."""
        return tuple(f"{PLATFORM}{name}" for name in self.platforms) if len(self.platforms) > 1 else ()

    def compute(self, rows: Rows, context: Context) -> Float32:
        """(C, P): 1 on it, 0 on another, NaN unknown."""
        numbers = np.array([query.platform for query in rows.queries])[:, None]
        told = (numbers == np.arange(len(self.names))).astype(np.float32)
        return np.where(numbers == UNKNOWN, np.float32("nan"), told)[rows.query_of]
