"""Changes of the catalogue in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from recsys.stores.changes import HELD_US, KeptItem, deleted, is_known, upserted, with_inventory
from recsys.stores.records import Inventory, ItemChange, LiveItem
from recsys.stores.sqlite.connection import Connection, Readers, rows
from recsys.stores.sqlite.group_commit import GroupCommit

VERSION = "SELECT coalesce(max(version), 0) FROM items"
# Rows of version 0 hold inventory only. The + has the index of versions used, and not the order of ids read through.
CHANGED = "SELECT item_id, version, item FROM items WHERE version > ? ORDER BY +item_id"
GET = "SELECT version, item FROM items WHERE item_id = ?"
_PUT = "INSERT OR REPLACE INTO items (item_id, version, item, held_us) VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM items WHERE held_us < ? AND version = 0"


class SqliteItemStore:
    """``ItemStore``."""

    def __init__(self, readers: Readers, commit: GroupCommit) -> None:
        self._readers = readers
        self._commit = commit

    def version(self) -> int:
        with self._readers.reading() as connection:
            return int(connection.execute(VERSION).get)

    def changed_since(self, version: int) -> tuple[list[LiveItem], int]:
        with self._readers.reading() as connection:
            found = rows(connection, CHANGED, (max(version, 0),))
            now = int(connection.execute(VERSION).get)
        return [KeptItem.of_json(text).live(item_id, changed) for item_id, changed, text in found], now

    def get(self, item_id: str) -> LiveItem | None:
        with self._readers.reading() as connection:
            row = connection.execute(GET, (item_id,)).fetchone()
        return None if row is None or row[0] == 0 else KeptItem.of_json(row[1]).live(item_id, row[0])

    def upsert(
        self, changes: Sequence[ItemChange], *, existing: Collection[str], create: bool, now_us: int
    ) -> list[bool]:
        def change(kept: KeptItem | None, index: int) -> KeptItem | None:
            wished = changes[index]
            in_snapshot = wished.item_id in existing
            return upserted(kept, wished, in_snapshot=in_snapshot, create=create, now_us=now_us)

        return self._changed([wished.item_id for wished in changes], change)

    def set_inventory(self, inventory: Inventory, *, exists: bool, now_us: int) -> bool:
        def make(connection: Connection) -> bool:
            version, kept = _kept(connection, inventory.item_id)
            changed = with_inventory(kept, inventory, in_snapshot=exists, now_us=now_us)
            if changed is None:
                return False
            applied = changed.held_us is None
            if applied:
                version = int(connection.execute(VERSION).get) + 1
            else:
                connection.execute(_FORGET, (now_us - HELD_US,))
            connection.execute(_PUT, (inventory.item_id, version, changed.json(), changed.held_us))
            return applied

        return self._commit(make)

    def delete(self, item_ids: Sequence[str], *, existing: Collection[str]) -> list[bool]:
        def change(kept: KeptItem | None, index: int) -> KeptItem | None:
            return deleted(kept) if is_known(kept, in_snapshot=item_ids[index] in existing) else None

        return self._changed(item_ids, change)

    def _changed(
        self, item_ids: Sequence[str], change: Callable[[KeptItem | None, int], KeptItem | None]
    ) -> list[bool]:
        """Whether ``change`` of each, given its place among them, was one; all changed ones get one new version."""

        def make(connection: Connection) -> list[bool]:
            version = int(connection.execute(VERSION).get) + 1
            outcomes = []
            for index, item_id in enumerate(item_ids):
                changed = change(_kept(connection, item_id)[1], index)
                outcomes.append(changed is not None)
                if changed is not None:
                    connection.execute(_PUT, (item_id, version, changed.json(), changed.held_us))
            return outcomes

        return self._commit(make) if item_ids else []


def _kept(connection: Connection, item_id: str) -> tuple[int, KeptItem | None]:
    row = connection.execute(GET, (item_id,)).fetchone()
    return (0, None) if row is None else (row[0], KeptItem.of_json(row[1]))
