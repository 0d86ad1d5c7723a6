"""Events in SQLite, in the order of their commits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from recsys.stores.records import EventFilter, LiveEvent
from recsys.stores.sqlite.connection import Connection, Readers, rows
from recsys.stores.sqlite.erased import forgetter
from recsys.stores.sqlite.group_commit import GroupCommit
from recsys.stores.sqlite.keys import device_key, event_key, owner_key, user_key, visitor_key

# As the fields of LiveEvent, so that a row makes an event.
COLUMNS = LiveEvent.__slots__
OF_EVENT = ", ".join(COLUMNS)
_fields = attrgetter(*COLUMNS)
# A row without its event: its place is kept so that pages are never joined (see ``schema``).
EMPTY = ", ".join(f"{column} = NULL" for column in ("event_key", "owner_key", "device_key", *COLUMNS))

# With a mark for each key in place of the braces.
KEPT = "SELECT event_id FROM events WHERE event_key IN ({}) AND event_id IS NOT NULL"
_INSERT = f"INSERT INTO events (event_key, owner_key, device_key, {OF_EVENT}) VALUES "
_ROW = f"({', '.join('?' * (3 + len(COLUMNS)))})"
# Of one statement: each that runs lets other threads have the interpreter and has to wait for it again.
_MOST_ROWS = 100
# SQLite takes 32,766 values.
_MOST_KEYS = 10_000
_SINCE = f"SELECT no, {OF_EVENT} FROM events WHERE no > ? AND event_id IS NOT NULL ORDER BY no LIMIT ?"
_COUNT = "SELECT count(*) FROM events WHERE event_key IS NOT NULL"


class SqliteEventLog:
    """``EventLog``."""

    def __init__(self, readers: Readers, commit: GroupCommit) -> None:
        self._readers = readers
        self._commit = commit

    def append(self, events: Sequence[LiveEvent]) -> list[bool]:
        if not events:
            return []
        return self._commit(lambda connection: _append(connection, events))

    def since(self, position: int, limit: int) -> tuple[list[LiveEvent], int]:
        with self._readers.reading() as connection:
            found = rows(connection, _SINCE, (position, limit))
        return [LiveEvent(*row[1:]) for row in found], found[-1][0] if found else position

    def purge(self, chosen: EventFilter, *, force: bool) -> int:
        where, values = _condition(chosen)
        if not force:
            with self._readers.reading() as connection:
                return int(connection.execute(f"SELECT count(*) FROM events WHERE {where}", values).get)

        def empty(connection: Connection) -> int:
            connection.execute(f"UPDATE events SET {EMPTY} WHERE {where}", values)
            return connection.changes()

        n_emptied = self._commit(empty)
        if n_emptied:
            self._commit(_compact, alone=True)
        return n_emptied

    def count(self) -> int:
        with self._readers.reading() as connection:
            return int(connection.execute(_COUNT).get)


def _append(connection: Connection, events: Sequence[LiveEvent]) -> list[bool]:
    is_forgotten = forgetter(connection)
    keys = [event_key(event.event_id) for event in events]
    # Two ids may have one key: the text tells.
    seen: set[str] = set()
    for start in range(0, len(keys), _MOST_KEYS):
        asked = keys[start : start + _MOST_KEYS]
        seen.update(event_id for (event_id,) in rows(connection, KEPT.format(", ".join("?" * len(asked))), asked))
    new: list[tuple[object, ...]] = []
    is_new: list[bool] = []
    for event, key in zip(events, keys, strict=True):
        is_kept = event.event_id not in seen and not is_forgotten(event.user_id, event.visitor_id, event.time_us)
        is_new.append(is_kept)
        if is_kept:
            seen.add(event.event_id)
            who = event.user_id, event.visitor_id
            new.append((key, owner_key(*who), device_key(*who), *_fields(event)))
    for start in range(0, len(new), _MOST_ROWS):
        part = new[start : start + _MOST_ROWS]
        connection.execute(_INSERT + ", ".join([_ROW] * len(part)), [cell for row in part for cell in row])
    return is_new


def _compact(connection: Connection) -> None:
    """Give space back once most rows are empty. Others' writes wait for as long as the file takes to be copied."""
    n_live = connection.execute(_COUNT).get
    if 2 * n_live < connection.execute("SELECT count(*) FROM events").get:
        connection.execute("DELETE FROM events WHERE event_key IS NULL")
        # Leaves no free space, and so nothing in it.
        connection.execute("VACUUM")


def _condition(chosen: EventFilter) -> tuple[str, tuple[str | int, ...]]:
    """SQL, and its values."""
    parts: list[tuple[str, tuple[str | int, ...]]] = [("event_key IS NOT NULL", ())]
    if chosen.user_id is not None:
        parts.append(("user_id = ?", (chosen.user_id,)))
    if chosen.user_id:
        parts.append(("owner_key = ?", (user_key(chosen.user_id),)))
    if chosen.visitor_id is not None:
        parts.append(("visitor_id = ?", (chosen.visitor_id,)))
    if chosen.visitor_id:
        parts.append(("(owner_key = ? OR device_key = ?)", (visitor_key(chosen.visitor_id),) * 2))
    if chosen.event_type is not None:
        parts.append(("event_type = ?", (chosen.event_type,)))
    if chosen.item_id is not None:
        parts.append(("item_id = ?", (chosen.item_id,)))
    if chosen.since_us is not None:
        parts.append(("time_us >= ?", (chosen.since_us,)))
    if chosen.until_us is not None:
        parts.append(("time_us < ?", (chosen.until_us,)))
    return " AND ".join(part for part, _ in parts), tuple(value for _, values in parts for value in values)
