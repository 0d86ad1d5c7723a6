"""The batch client's files: users in, lists out. The one module of the server that knows pyarrow."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.errors import InputError

PARQUET, JSON_LINES = ".parquet", ".jsonl"
LONGEST_ID = 128
ROWS_OF_A_GROUP = 131_072
SCHEMA = pa.schema([("user_id", pa.string()), ("rank", pa.int32()), ("item_id", pa.string()), ("score", pa.float32())])


def read_users(path: Path) -> list[str]:
    """The user ids of ``path``, each once, in its order: Parquet with a column user_id, or UTF-8 with one id a line.

    InputError on a file that cannot be read, names nobody, or holds an id of more than 128 characters.
    """
    try:
        # Once: a pipe gives its bytes to the first who asks.
        raw = path.read_bytes()
        ids = _parquet_ids(path, raw) if raw.startswith(b"PAR1") else raw.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"--users {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"--users {path} must be UTF-8 with one id a line, or Parquet with a column user_id"
        ) from error
    except pa.ArrowException as error:
        raise InputError(f"--users {path} cannot be read as Parquet with a column user_id") from error
    stripped = (id.removesuffix("\r") for id in ids)
    users = list(dict.fromkeys(id for id in stripped if id and not id.isspace()))
    if not users:
        raise InputError(f"--users {path} names no user")
    longest = max(users, key=len)
    if len(longest) > LONGEST_ID:
        raise InputError(f"--users {path} must hold ids of at most {LONGEST_ID} characters, got {len(longest)}")
    return users


def _parquet_ids(path: Path, raw: bytes) -> list[str]:
    schema = pq.read_schema(pa.BufferReader(raw))
    if "user_id" not in schema.names:
        raise InputError(f"--users {path} must have a column user_id")
    kind = schema.field("user_id").type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    # A column of whole numbers with a gap comes out of some tools as 1.0 and NaN: no such user exists.
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"--users {path} must have texts or whole numbers in the column user_id, got {kind}")
    column = pq.read_table(pa.BufferReader(raw), columns=["user_id"]).column("user_id")
    ids: list[str] = column.drop_null().cast(pa.string()).to_pylist()
    return ids


class Rows(ABC):
    """Where lists go, in order: a context manager around one open file."""

    @abstractmethod
    def add(self, user_id: str, item_ids: Sequence[str], scores: Sequence[float]) -> None:
        """The list of one user, best first; ranks count from 1."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left and close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _ParquetRows(Rows):
    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA)
        self._columns: tuple[list[Any], ...] = ([], [], [], [])

    def add(self, user_id: str, item_ids: Sequence[str], scores: Sequence[float]) -> None:
        n_items = len(item_ids)
        values = ([user_id] * n_items, range(1, n_items + 1), item_ids, scores)
        for column, more in zip(self._columns, values, strict=True):
            column.extend(more)
        if len(self._columns[0]) >= ROWS_OF_A_GROUP:
            self._flush()

    def close(self) -> None:
        if self._columns[0]:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        arrays = [pa.array(column, field.type) for column, field in zip(self._columns, SCHEMA, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
        for column in self._columns:
            column.clear()


class _JsonLines(Rows):
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def add(self, user_id: str, item_ids: Sequence[str], scores: Sequence[float]) -> None:
        for rank, (item_id, score) in enumerate(zip(item_ids, scores, strict=True), start=1):
            row = {"user_id": user_id, "rank": rank, "item_id": item_id, "score": score}
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


class Output:
    """A file that appears whole or not at all: written beside ``path``, then renamed over it.

    InputError when the ending is neither .parquet nor .jsonl, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in (PARQUET, JSON_LINES):
            raise InputError(f"--out must end in {PARQUET} or {JSON_LINES}, got {path.name!r}")
        if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise InputError(f"--out {path} cannot be written")
        self._path = path
        # Of the name only the beginning: with all of it a long one would be too long.
        self._draft = path.with_name(f".{path.name[:80]}.{os.getpid()}.part")

    def rows(self) -> Rows:
        """A fresh draft; an earlier one is dropped."""
        return _ParquetRows(self._draft) if self._path.suffix == PARQUET else _JsonLines(self._draft)

    def keep(self) -> None:
        """Make the closed draft durable and give it its name."""
        with self._draft.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._draft, self._path)

    def drop(self) -> None:
        """Leave nothing behind; harmless after ``keep``."""
        self._draft.unlink(missing_ok=True)
