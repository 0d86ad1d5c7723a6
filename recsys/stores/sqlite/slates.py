"""Lists that were shown, in SQLite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from recsys.stores.records import ShownItem, ShownSlate
from recsys.stores.sqlite.connection import Connection, Readers, rows
from recsys.stores.sqlite.erased import forgetter
from recsys.stores.sqlite.group_commit import GroupCommit
from recsys.stores.sqlite.keys import device_key, owner_key

_APPEND = "INSERT INTO slates (owner_key, device_key, user_id, visitor_id, slate) VALUES (?, ?, ?, ?, ?)"
_SINCE = "SELECT no, user_id, visitor_id, slate FROM slates WHERE no > ? AND slate IS NOT NULL ORDER BY no LIMIT ?"


class SqliteSlateLog:
    """``SlateLog``: ``append`` hands over to the thread that commits, and does not wait."""

    def __init__(self, readers: Readers, commit: GroupCommit) -> None:
        self._readers = readers
        self._commit = commit

    def append(self, slates: Sequence[ShownSlate]) -> None:
        new = [(_row(slate), slate.time_us) for slate in slates]

        def make(connection: Connection) -> None:
            is_forgotten = forgetter(connection)
            for row, time_us in new:
                # An answer may be on its way while its user is erased.
                if is_forgotten(row[2], row[3], time_us):
                    continue
                connection.execute(_APPEND, row)

        if new:
            self._commit.soon(make)

    def since(self, position: int, limit: int) -> tuple[list[ShownSlate], int]:
        with self._readers.reading() as connection:
            found = rows(connection, _SINCE, (position, limit))
        return [_slate(*row[1:]) for row in found], found[-1][0] if found else position


def _row(slate: ShownSlate) -> tuple[int, int | None, str, str, str]:
    rest = asdict(slate)
    user_id, visitor_id = rest.pop("user_id"), rest.pop("visitor_id")
    owner = owner_key(user_id, visitor_id)
    text = json.dumps(rest, ensure_ascii=False, separators=(",", ":"))
    return owner, device_key(user_id, visitor_id), user_id, visitor_id, text


def _slate(user_id: str, visitor_id: str, text: str) -> ShownSlate:
    rest = json.loads(text)
    items = tuple(ShownItem(**{**item, "sources": tuple(item["sources"])}) for item in rest.pop("items"))
    return ShownSlate(user_id=user_id, visitor_id=visitor_id, items=items, **rest)
