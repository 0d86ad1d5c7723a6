"""Writes that survive a crash, locks that do not, and one sentence for the operator when the disk says no."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.errors import InputError, RecsysError


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: files created, renamed or removed there stay so after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make every file and folder under ``folder`` durable, children before parents."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            handle = os.open(Path(parent, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(Path(parent))


def replace_file(path: Path, raw: bytes) -> None:
    """Put ``raw`` at ``path`` durably: whoever reads it, at any instant, gets all of the old or all of the new bytes.

    Callers must hold a lock: the temporary name beside it is fixed, so that a crash leaves at most one behind.
    """
    temporary = path.with_name(f".{path.name}.new")
    with open(temporary, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


@contextmanager
def exclusive(path: Path, *, busy: RecsysError | None = None) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the kernel lets go of it when the process dies, however it dies.

    Waits for its turn, or with ``busy``, the error to raise, refuses at once.
    """
    with writing(path.parent):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if busy is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise busy from error
        yield
    finally:
        os.close(handle)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses inside the block into one sentence (InputError) that names ``folder``."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
