"""People in SQLite: profiles, links and erasures."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from recsys.stores.changes import profiled
from recsys.stores.records import Erasure, Person, ProfileChange, Receipt, Value
from recsys.stores.sqlite import people
from recsys.stores.sqlite.connection import Connection, Readers, rows
from recsys.stores.sqlite.erased import erased_us
from recsys.stores.sqlite.erasing import erase, scrub
from recsys.stores.sqlite.group_commit import GroupCommit
from recsys.stores.sqlite.keys import user_key, visitor_key

# Profiles of nearly equal length take the same room, so that their rows can be overwritten in place (see ``schema``).
_PADDING = 256


class SqliteUserStore:
    """``UserStore``."""

    def __init__(self, readers: Readers, commit: GroupCommit) -> None:
        self._readers = readers
        self._commit = commit

    def person(self, user_id: str, visitor_id: str, *, most_events: int) -> Person:
        with self._readers.reading() as connection:
            return people.person(connection, user_id, visitor_id, most_events)

    def people(self, ids: Sequence[tuple[str, str]], *, most_events: int) -> list[Person]:
        with self._readers.reading() as connection:
            return [people.person(connection, user_id, visitor_id, most_events) for user_id, visitor_id in ids]

    def count_events(self, person: Person) -> int:
        with self._readers.reading() as connection:
            return people.n_events(connection, person.user_id, person.visitor_ids)

    def upsert(self, changes: Sequence[ProfileChange], *, existing: Collection[str], create: bool) -> list[bool]:
        def make(connection: Connection) -> list[bool]:
            return [_set(connection, change, existing, create) for change in changes]

        return self._commit(make) if changes else []

    def profiles(self) -> Iterator[tuple[str, Mapping[str, Value | None]]]:
        with self._readers.reading() as connection:
            found = rows(
                connection, "SELECT user_id, attributes FROM profiles WHERE user_id IS NOT NULL ORDER BY user_id"
            )
        return ((user_id, json.loads(attributes)) for user_id, attributes in found)

    def link(self, user_id: str, visitor_id: str) -> str:
        def make(connection: Connection) -> str:
            before = people.linked_user(connection, visitor_id)
            if before != user_id:
                _unlink(connection, visitor_id)
                connection.execute(
                    "INSERT INTO links (visitor_key, user_key, visitor_id, user_id) VALUES (?, ?, ?, ?)",
                    (visitor_key(visitor_id), user_key(user_id), visitor_id, user_id),
                )
            return before

        return self._commit(make)

    def unlink(self, user_id: str, visitor_id: str) -> bool:
        def make(connection: Connection) -> bool:
            is_linked = people.linked_user(connection, visitor_id) == user_id
            if is_linked:
                _unlink(connection, visitor_id)
            return is_linked

        return self._commit(make)

    def links(self) -> Iterator[tuple[str, str]]:
        with self._readers.reading() as connection:
            found = rows(
                connection, "SELECT visitor_id, user_id FROM links WHERE visitor_id IS NOT NULL ORDER BY visitor_id"
            )
        return ((visitor_id, user_id) for visitor_id, user_id in found)

    def erase(self, user_id: str, *, now_us: int) -> Receipt:
        receipt = self._commit(lambda connection: erase(connection, user_id, now_us))
        self._commit(scrub, alone=True)
        return receipt

    def erasures(self) -> Iterator[Erasure]:
        with self._readers.reading() as connection:
            found = rows(connection, "SELECT digest, erased_us FROM erasures ORDER BY digest")
        return (Erasure(*row) for row in found)


def _set(connection: Connection, change: ProfileChange, existing: Collection[str], create: bool) -> bool:
    no, before = people.profile(connection, change.user_id)
    if before is None and not create and not _exists(connection, change.user_id, existing):
        return False
    text = json.dumps(profiled(before or {}, change), ensure_ascii=False, separators=(",", ":"))
    n_bytes = len(text.encode())
    text += " " * (-n_bytes % _PADDING)
    if before is not None:
        room = connection.execute("SELECT length(CAST(attributes AS BLOB)) FROM profiles WHERE no = ?", (no,)).get
        if room == n_bytes + (-n_bytes % _PADDING):
            connection.execute("UPDATE profiles SET attributes = ? WHERE no = ?", (text, no))
            return True
        connection.execute("UPDATE profiles SET user_key = NULL, user_id = NULL, attributes = NULL WHERE no = ?", (no,))
    connection.execute(
        "INSERT INTO profiles (user_key, user_id, attributes) VALUES (?, ?, ?)",
        (user_key(change.user_id), change.user_id, text),
    )
    return True


def _exists(connection: Connection, user_id: str, existing: Collection[str]) -> bool:
    """Whether the snapshot has the user, and they were not erased since."""
    return user_id in existing and erased_us(connection, user_id, "") is None


def _unlink(connection: Connection, visitor_id: str) -> None:
    connection.execute(
        "UPDATE links SET visitor_key = NULL, user_key = NULL, visitor_id = NULL, user_id = NULL"
        " WHERE visitor_key = ? AND visitor_id = ?",
        (visitor_key(visitor_id), visitor_id),
    )
