"""Vectors of texts in SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recsys.arrays import Float32, frozen
from recsys.stores.sqlite.connection import Connection, Readers
from recsys.stores.sqlite.group_commit import GroupCommit


class SqliteVectorStore:
    """``VectorStore``."""

    def __init__(self, readers: Readers, commit: GroupCommit) -> None:
        self._readers = readers
        self._commit = commit

    def put(self, model: str, vectors: Mapping[str, Float32]) -> None:
        rows = [(model, digest, np.asarray(vector, "<f4").tobytes()) for digest, vector in vectors.items()]

        def make(connection: Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

        if rows:
            self._commit(make)

    def get(self, model: str, digests: Sequence[str]) -> dict[str, Float32]:
        found: dict[str, Float32] = {}
        with self._readers.reading() as connection:
            for digest in digests:
                raw = connection.execute(
                    "SELECT vector FROM vectors WHERE model = ? AND digest = ?", (model, digest)
                ).get
                if raw is not None:
                    found[digest] = frozen(np.frombuffer(raw, "<f4"), np.float32)
        return found
