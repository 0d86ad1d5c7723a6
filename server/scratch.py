"""A folder of a server's own for as long as it runs. What killed ones left behind goes when the next one starts."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recsys.errors import InputError
from recsys.snapshot.durable import exclusive

_PREFIX = "recsys-server-"
_LOCK = "lock"
# Between making its folder and locking it a server that starts takes no longer.
_YOUNG_S = 60.0


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder below that of temporary files, which nobody else may look into. OSError where there can be none."""
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with exclusive(folder / _LOCK, busy=InputError(f"{folder} is another's")):
            yield folder


def _remove_abandoned() -> None:
    """Ours that no process holds. What cannot be removed stays."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, InputError):
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or not (folder / _LOCK).exists():
                continue
            if time.time() - found.st_mtime < _YOUNG_S:
                continue
            with exclusive(folder / _LOCK, busy=InputError("in use")):
                shutil.rmtree(folder, ignore_errors=True)
