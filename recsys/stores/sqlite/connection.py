"""Connections to the state file: how they are opened, what they promise, and which errors are the disk's.

The only module that imports apsw, which bundles its own SQLite. With write-ahead logging, SQLite 3.7.0 to 3.51.2 can
lose committed rows when several processes write and checkpoint, which is what workers and commands do here.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from recsys.errors import InputError, StateUnavailable
from recsys.snapshot.durable import exclusive, sync_folder, writing
from recsys.stores.sqlite.schema import MIGRATIONS

Connection = apsw.Connection

FILE = "state.db"
# How long to wait for another process's turn.
BUSY_S = 2.0
_POLL_S = 0.001
# Ids are spread over their indexes, so that a batch of events touches hundreds of pages: small ones are less to write,
# and a long log and a cache that holds them have most written to the file once for many batches.
_PAGE_BYTES = 1_024
_LOG_PAGES = 32_768
_CACHE_KB = 32_768
# What the disk, the file or another process is to blame for; everything else is a fault of this code.
UNAVAILABLE = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.InterruptError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
    apsw.SchemaChangeError,
    # Of a connection that ``close`` closed while it was in use.
    apsw.ConnectionClosedError,
)


def loses_commits(version: str) -> bool:
    """Whether SQLite ``version`` ("3.44.6") may lose committed rows of a log that several processes write."""
    numbers = tuple(int(part) for part in version.split("."))
    mended = any(numbers[:2] == branch[:2] and numbers >= branch for branch in ((3, 44, 6), (3, 50, 7)))
    return (3, 7, 0) <= numbers < (3, 51, 3) and not mended


def versions() -> str:
    """Versions of SQLite and of the module that bundles it."""
    return f"SQLite {apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})"


@contextmanager
def available(path: Path) -> Iterator[None]:
    """Turn what disk, file or other processes refuse inside the block into StateUnavailable."""
    try:
        yield
    except UNAVAILABLE as error:
        raise StateUnavailable(f"{path}: {error}") from error


def prepare(
    folder: Path, *, sqlite_version: str = apsw.sqlite_lib_version(), migrations: Sequence[str] = MIGRATIONS
) -> Path:
    """The path of the state file in ``folder``, made and migrated where need be, durably.

    InputError where the folder cannot be written, the file is of a newer schema, or SQLite loses commits.
    """
    if loses_commits(sqlite_version):
        raise InputError(
            f"SQLite {sqlite_version} can lose committed rows when several processes write; state needs 3.51.3 or later"
        )
    path = folder / FILE
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not _is_current(path, migrations):
            with exclusive(folder / "opening.lock"), available(path):
                connection = opened(path)
                try:
                    _migrate(connection, path, migrations)
                finally:
                    connection.close()
                sync_folder(folder)
        sync_folder(folder.parent)
    return path


def opened(path: Path) -> Connection:
    """A connection whose commits are on disk when they return, and that overwrites what it deletes."""
    connection = Connection(str(path))
    try:
        connection.set_busy_handler(_patience())
        # Of a new file: it cannot be changed later.
        connection.pragma("page_size", _PAGE_BYTES)
        mode = connection.pragma("journal_mode", "WAL")
        if mode != "wal":
            raise StateUnavailable(f"{path}: the file system does not do write-ahead logging (it offers {mode})")
        connection.pragma("synchronous", "FULL")
        connection.pragma("secure_delete", "ON")
        connection.pragma("cache_size", -_CACHE_KB)
        connection.wal_autocheckpoint(_LOG_PAGES)
    except BaseException:
        connection.close()
        raise
    return connection


def rows(connection: Connection, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows that ``query`` finds."""
    return connection.execute(query, values).fetchall()


def checkpoint(connection: Connection) -> None:
    """Move the whole log into the file and cut it to nothing, once no reader needs it; BusyError after ``BUSY_S``."""
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _patience() -> Callable[[int], bool]:
    """Tells SQLite to try again every millisecond or so, for ``BUSY_S``; its own waits grow to a tenth of a second."""
    until = 0.0

    def again(n_tries: int) -> bool:
        nonlocal until
        now = time.monotonic()
        if n_tries == 0:
            until = now + BUSY_S
        if now > until:
            return False
        time.sleep(_POLL_S * (0.5 + random.random()))
        return True

    return again


def _is_current(path: Path, migrations: Sequence[str]) -> bool:
    """Whether there is nothing to migrate, told without a lock that writers would have to wait for."""
    if not path.exists():
        return False
    with available(path):
        connection = opened(path)
        try:
            known = connection.execute("SELECT max(version) FROM schema_version").get
        except apsw.SQLError:
            return False  # before the first migration there is no such table
        finally:
            connection.close()
    return bool(known == len(migrations))


def _migrate(connection: Connection, path: Path, migrations: Sequence[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
        known = connection.execute("SELECT max(version) FROM schema_version").get or 0
        if known > len(migrations):
            raise InputError(
                f"{path} is of schema {known}, written by a newer version; this one reads up to {len(migrations)}"
            )
        for number, statements in enumerate(migrations[known:], start=known + 1):
            connection.execute(statements)
            connection.execute("DELETE FROM schema_version")
            connection.execute("INSERT INTO schema_version VALUES (?)", (number,))
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class Readers:
    """Connections to read with, as many as there are reads at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[Connection] = deque()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection inside one read transaction: all that is read through it is of one moment."""
        with available(self._path):
            if self._closed:
                raise StateUnavailable(f"{self._path}: closed")
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = opened(self._path)
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # One that failed may hold pages of a broken file: the next read opens the file anew.
                connection.close(True)
                raise
        self._idle.append(connection)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close idle connections; those in use close when their reads end."""
        self._closed = True
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()
