"""Who somebody is and what they did lately, read from SQLite: every query is a search of an index."""

from __future__ import annotations

import json
from collections.abc import Mapping

from recsys.stores.records import LiveEvent, Person, Value
from recsys.stores.sqlite.connection import Connection, rows
from recsys.stores.sqlite.erased import erased_us
from recsys.stores.sqlite.events import OF_EVENT
from recsys.stores.sqlite.keys import user_key, visitor_key

LINKED_USER = "SELECT user_id FROM links WHERE visitor_key = ? AND visitor_id = ?"
LINKED_VISITORS = "SELECT visitor_id FROM links WHERE user_key = ? AND user_id = ? ORDER BY visitor_id"
PROFILE = "SELECT no, attributes FROM profiles WHERE user_key = ? AND user_id = ?"
_NEWEST = "ORDER BY time_us DESC, event_id LIMIT ?"
USER_EVENTS = f"SELECT {OF_EVENT} FROM events WHERE owner_key = ? AND user_id = ? {_NEWEST}"
VISITOR_EVENTS = f"SELECT {OF_EVENT} FROM events WHERE owner_key = ? AND user_id = '' AND visitor_id = ? {_NEWEST}"
USER_COUNT = "SELECT count(*) FROM events WHERE owner_key = ? AND user_id = ?"
VISITOR_COUNT = "SELECT count(*) FROM events WHERE owner_key = ? AND user_id = '' AND visitor_id = ?"


def person(connection: Connection, user_id: str, visitor_id: str, most_events: int) -> Person:
    """``UserStore.person``."""
    user_id = user_id or linked_user(connection, visitor_id)
    visitor_ids = linked_visitors(connection, user_id) if user_id else ((visitor_id,) if visitor_id else ())
    attributes: Mapping[str, Value | None] = profile(connection, user_id)[1] or {} if user_id else {}
    found = rows(connection, USER_EVENTS, (user_key(user_id), user_id, most_events)) if user_id else []
    for visitor in visitor_ids:
        found += rows(connection, VISITOR_EVENTS, (visitor_key(visitor), visitor, most_events))
    events = sorted((LiveEvent(*row) for row in found), key=lambda event: (-event.time_us, event.event_id))
    return Person(
        user_id=user_id,
        visitor_ids=visitor_ids,
        attributes=attributes,
        erased_us=erased_us(connection, user_id, visitor_id),
        events=tuple(events[:most_events]),
    )


def n_events(connection: Connection, user_id: str, visitor_ids: tuple[str, ...]) -> int:
    """How many events there are of a user, "" for none, and of visitors."""
    of_user = connection.execute(USER_COUNT, (user_key(user_id), user_id)).get if user_id else 0
    of_visitors = (connection.execute(VISITOR_COUNT, (visitor_key(one), one)).get for one in visitor_ids)
    return int(of_user + sum(of_visitors))


def linked_user(connection: Connection, visitor_id: str) -> str:
    """The user a visitor is linked to, "" for none."""
    return connection.execute(LINKED_USER, (visitor_key(visitor_id), visitor_id)).get or ""


def linked_visitors(connection: Connection, user_id: str) -> tuple[str, ...]:
    """Visitors linked to a user, ascending."""
    return tuple(visitor for (visitor,) in rows(connection, LINKED_VISITORS, (user_key(user_id), user_id)))


def profile(connection: Connection, user_id: str) -> tuple[int, dict[str, Value | None] | None]:
    """Row and attributes of a user's profile; (0, None) where there is none."""
    row = connection.execute(PROFILE, (user_key(user_id), user_id)).fetchone()
    return (0, None) if row is None else (row[0], json.loads(row[1]))
