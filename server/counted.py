"""The folder that item statistics of now pass through: one process writes, the workers of the same server read.

<scratch>/statistics/<version>/<number>/    whole: it got this name by one rename; numbers grow
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.statistics import ItemStatistics

_ABOUT = "about.json"
_STAGING = ".staging"
# A worker may be about to read the one before the last.
KEPT = 2


@dataclass(frozen=True, slots=True)
class Counted:
    """number: of this counting · n_kept: events in the store at the time · n_events: of them, what the snapshot lacks ·
    statistics: with them.
    """

    number: int
    n_kept: int
    n_events: int
    statistics: ItemStatistics


class CountedFolder:
    """Of one snapshot version, below ``scratch``. Holds no id of anybody: counts by item."""

    def __init__(self, scratch: Path, version: str) -> None:
        self._root = scratch / "statistics"
        self._folder = self._root / version

    def newest(self) -> int:
        """The number of the last counting, 0 before the first. Costs one listing of a few names."""
        return max(self._numbers(), default=0)

    def read(self, number: int) -> Counted:
        """The counting ``number``, memory-mapped. SnapshotCorrupt when it cannot be read."""
        source = SnapshotReader(self._folder / f"{number:09d}")
        about = source.json(_ABOUT)
        return Counted(number, about["n_kept"], about["n_events"], ItemStatistics.read(source))

    def write(self, statistics: ItemStatistics, *, n_kept: int, n_events: int) -> int:
        """Keep another counting, whose number this gives; older ones go, and those of other versions."""
        for other in self._root.glob("*"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)
        number = self.newest() + 1
        staging = self._folder / _STAGING
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        out = SnapshotWriter(staging)
        statistics.write(out)
        out.json(_ABOUT, {"n_kept": n_kept, "n_events": n_events})
        staging.rename(self._folder / f"{number:09d}")
        for old in sorted(self._numbers())[:-KEPT]:
            shutil.rmtree(self._folder / f"{old:09d}", ignore_errors=True)
        return number

    def _numbers(self) -> list[int]:
        try:
            with os.scandir(self._folder) as entries:
                return [int(entry.name) for entry in entries if entry.name.isdigit()]
        except FileNotFoundError:
            return []
