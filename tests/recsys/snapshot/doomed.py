"""Runs one act on fresh copies of a snapshot folder, killed just before its 1st, 2nd, 3rd … operation on files.

    python doomed.py ACT PRISTINE OUT

leaves OUT/1, OUT/2, … as each killed process left them, and OUT/done as the one did that nothing killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recsys.snapshot.files import SnapshotWriter
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.signature import HmacKey
from recsys.snapshot.store import SnapshotStore

FACTS = {
    "built_at": "2026-03-01T00:00:00Z",
    "event_window_start": 0,
    "event_window_end": 1,
    "seed": 1,
    "config": {},
    "features": ["a"],
    "packages": {},
    "gates": [],
    "serving_configs": {},
    "n_users": 0,
    "n_items": 0,
    "n_events": 0,
    "sources": ["popular"],
}


def rebuild(root: Path) -> None:
    store = SnapshotStore(root)
    with store.staging() as staging:
        out = SnapshotWriter(staging)
        out.array("als.factors", np.arange(100, dtype=np.float32))
        out.text("rankers/home.txt", "tree\n")
        version = store.commit(staging, Manifest.seal(staging, **FACTS), HmacKey(bytes(32)))  # type: ignore[arg-type]
        store.publish(version)
    store.prune(1)


def roll_back(root: Path) -> None:
    SnapshotStore(root).roll_back()


def publish(root: Path) -> None:
    store = SnapshotStore(root)
    store.publish(store.versions()[-1])


ACTS: dict[str, Callable[[Path], None]] = {"rebuild": rebuild, "roll_back": roll_back, "publish": publish}


def die_before_operation(n: int) -> None:
    """Kill this process at its ``n``-th operation on files from now: an open, rename, removal, mkdir, lock, fsync …"""
    left = n

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, _: object) -> None:
        if event == "open" or event.startswith(("os.", "shutil.", "fcntl.", "mmap.")):
            count()

    # Python raises no audit event for these.
    for name in ("fsync", "close", "fstat", "lstat"):
        real = getattr(os, name)

        def counted(*args: object, real: Callable[..., object] = real, **kwargs: object) -> object:
            count()
            return real(*args, **kwargs)

        setattr(os, name, counted)
    sys.addaudithook(audit)


def main(act: str, pristine: Path, out: Path) -> None:
    for n in range(1, 10_000):
        root = out / str(n)
        shutil.copytree(pristine, root)
        child = os.fork()
        if child == 0:
            die_before_operation(n)
            ACTS[act](root)
            # No clean-up of the interpreter: it would count, too.
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            root.rename(out / "done")
            return
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise SystemExit(f"attempt {n} ended by itself with status {status}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
