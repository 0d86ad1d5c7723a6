"""All stores of one state folder."""

from __future__ import annotations

from pathlib import Path

from recsys.stores.sqlite.connection import Readers, prepare, versions
from recsys.stores.sqlite.events import SqliteEventLog
from recsys.stores.sqlite.group_commit import GroupCommit
from recsys.stores.sqlite.items import SqliteItemStore
from recsys.stores.sqlite.slates import SqliteSlateLog
from recsys.stores.sqlite.users import SqliteUserStore
from recsys.stores.sqlite.vectors import SqliteVectorStore


class SqliteState:
    """``State`` in ``folder``, which is made where it is missing.

    InputError where it cannot be written, is of a newer schema, or SQLite is one that loses commits; StateUnavailable
    where the file is broken or another process keeps it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = prepare(folder)
        self._readers = Readers(self._path)
        self._commit = GroupCommit(self._path)
        self.events = SqliteEventLog(self._readers, self._commit)
        self.items = SqliteItemStore(self._readers, self._commit)
        self.users = SqliteUserStore(self._readers, self._commit)
        self.slates = SqliteSlateLog(self._readers, self._commit)
        self.vectors = SqliteVectorStore(self._readers, self._commit)

    def describe(self) -> str:
        return f"{versions()} at {self._path}: write-ahead log, on disk before it is acknowledged"

    def close(self) -> None:
        self._commit.close()
        self._readers.close()
