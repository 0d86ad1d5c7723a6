"""Taking every trace of a person out of the state file but the digests that tell them again."""

from __future__ import annotations

from uuid import uuid4

from recsys.stores.records import Receipt, erasure_digest
from recsys.stores.sqlite.connection import Connection, checkpoint
from recsys.stores.sqlite.events import EMPTY
from recsys.stores.sqlite.keys import user_key, visitor_key
from recsys.stores.sqlite.people import linked_visitors, n_events, profile

_EMPTY_SLATE = "owner_key = NULL, device_key = NULL, user_id = NULL, visitor_id = NULL, slate = NULL"
_ERASED = """
INSERT INTO erasures VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET erased_us = max(erased_us, excluded.erased_us)
"""


def erase(connection: Connection, user_id: str, now_us: int) -> Receipt:
    """``UserStore.erase`` within one transaction; the log of it still holds what was erased (see ``scrub``)."""
    visitors = linked_visitors(connection, user_id)
    receipt = Receipt(
        id=str(uuid4()),
        n_events=n_events(connection, user_id, visitors),
        has_profile=profile(connection, user_id)[1] is not None,
        n_links=len(visitors),
        erased_us=now_us,
    )
    user = (user_key(user_id), user_id)
    connection.execute(f"UPDATE events SET {EMPTY} WHERE owner_key = ? AND user_id = ?", user)
    connection.execute(f"UPDATE slates SET {_EMPTY_SLATE} WHERE owner_key = ? AND user_id = ?", user)
    connection.execute(
        "UPDATE profiles SET user_key = NULL, user_id = NULL, attributes = NULL WHERE user_key = ? AND user_id = ?",
        user,
    )
    connection.execute(
        "UPDATE links SET visitor_key = NULL, user_key = NULL, visitor_id = NULL, user_id = NULL"
        " WHERE user_key = ? AND user_id = ?",
        user,
    )
    connection.execute(_ERASED, (erasure_digest("user", user_id), now_us))
    for visitor_id in visitors:
        _erase_visitor(connection, visitor_id)
        connection.execute(_ERASED, (erasure_digest("visitor", visitor_id), now_us))
    return receipt


def scrub(connection: Connection) -> None:
    """Move the log into the file and cut it off, so that neither holds what was erased. Not within a transaction."""
    checkpoint(connection)


def _erase_visitor(connection: Connection, visitor_id: str) -> None:
    visitor = (visitor_key(visitor_id), visitor_id)
    for table, empty in (("events", EMPTY), ("slates", _EMPTY_SLATE)):
        connection.execute(
            f"UPDATE {table} SET {empty} WHERE owner_key = ? AND user_id = '' AND visitor_id = ?", visitor
        )
        # What another user did on the same device stays theirs, without the device.
        connection.execute(
            f"UPDATE {table} SET device_key = NULL, visitor_id = '' WHERE device_key = ? AND visitor_id = ?", visitor
        )
