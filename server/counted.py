"""The folder that item statistics of now pass through: one process writes, the workers of the same server read.

<scratch>/statistics/<version>/<number>/    whole: it got this name by one rename; numbers grow
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from recsys.errors import InputError
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.statistics import ItemStatistics

_ABOUT = "about.json"
_STAGING = ".staging"
# A worker may be about to read the one before the last.
KEPT = 2


@dataclass(frozen=True, slots=True)
class Counted:
    """stamp: of what was counted beside the events up to ``position`` of the log · n_events: of them, what the snapshot
    lacks · at: epoch seconds · statistics: with them, None: the snapshot's own.
    """

    stamp: str
    position: int
    n_events: int
    at: int
    statistics: ItemStatistics | None


class CountedFolder:
    """Of one snapshot version, below ``scratch``. Holds no id of anybody: counts by item, 60 bytes each."""

    def __init__(self, scratch: Path, version: str) -> None:
        self._scratch = scratch
        self._root = scratch / "statistics"
        self._folder = self._root / version

    def newest(self) -> int:
        """The number of the last counting, 0 before the first. Costs one listing of a few names."""
        return max(self._numbers(), default=0)

    def read(self, number: int) -> Counted:
        """The counting ``number``, memory-mapped. SnapshotCorrupt when it cannot be read."""
        source = SnapshotReader(self._folder / str(number))
        about = source.json(_ABOUT)
        statistics = ItemStatistics.read(source) if about.pop("has_statistics") else None
        return Counted(**about, statistics=statistics)

    def write(self, counted: Counted) -> int:
        """Keep another counting, whose number this gives; older ones go, and those of other versions.

        InputError where ``scratch`` is gone: it is the server's to make.
        """
        if not self._scratch.is_dir():
            raise InputError(f"{self._scratch}, the server's own folder, is gone: restart the server")
        self._root.mkdir(exist_ok=True)
        for other in self._root.glob("*"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)
        # Not one more than the last: where somebody removed that, a number would come twice.
        number = max(self.newest() + 1, time.time_ns())
        staging = self._folder / _STAGING
        shutil.rmtree(staging, ignore_errors=True)
        try:
            self._write(staging, counted)
            staging.rename(self._folder / str(number))
        finally:
            # What did not fit on the disk should not fill it either.
            shutil.rmtree(staging, ignore_errors=True)
        for old in sorted(self._numbers())[:-KEPT]:
            shutil.rmtree(self._folder / str(old), ignore_errors=True)
        return number

    @staticmethod
    def _write(staging: Path, counted: Counted) -> None:
        staging.mkdir(parents=True)
        out = SnapshotWriter(staging)
        if counted.statistics is not None:
            counted.statistics.write(out)
        names = ("stamp", "position", "n_events", "at")
        about = {name: getattr(counted, name) for name in names}
        out.json(_ABOUT, {**about, "has_statistics": counted.statistics is not None})

    def _numbers(self) -> list[int]:
        try:
            with os.scandir(self._folder) as entries:
                return [int(one.name) for one in entries if one.name.isascii() and one.name.isdecimal()]
        except OSError:
            return []
