"""Files that may be replaced while the server runs: read again when they change, the last good reading kept."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from recsys.errors import InputError

LOG = logging.getLogger(__name__)

Value = TypeVar("Value")
_Stamp = tuple[tuple[int, int, int, int] | None, ...]


class Reread(Generic[Value]):
    """What ``read`` makes of ``paths``. InputError when the first reading fails; a later one that fails is logged."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], Value]) -> None:
        self._paths = paths
        self._read = read
        # Taken before the reading: a change in the midst of it shows the next time.
        self._seen = self._stamp()
        self._value = read()

    def get(self) -> Value:
        """The value of the files as they are now, or of their last good state. Costs a stat a file."""
        stamp = self._stamp()
        if stamp != self._seen:
            # No lock: two threads may both read, or one may see the old value a moment longer.
            self._seen = stamp
            names = ", ".join(str(path) for path in self._paths)
            try:
                self._value = self._read()
            except InputError as error:
                LOG.error("%s changed and what was read before stays: %s", names, error)
            else:
                LOG.info("%s changed and was read again", names)
        return self._value

    def _stamp(self) -> _Stamp:
        return tuple(_stamp_of(path) for path in self._paths)


def _stamp_of(path: Path) -> tuple[int, int, int, int] | None:
    """What changes when a file is written, replaced, or hidden behind another link; None without one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
