"""Whether what is to be kept is of somebody who was erased since it was."""

from __future__ import annotations

from collections.abc import Callable

from recsys.stores.records import erasure_digest
from recsys.stores.sqlite.connection import Connection

ERASED = "SELECT erased_us FROM erasures WHERE digest = ?"


def erased_us(connection: Connection, user_id: str, visitor_id: str) -> int | None:
    """Up to when the user or, without one, the visitor is erased."""
    digest = erasure_digest("user", user_id) if user_id else erasure_digest("visitor", visitor_id)
    found: int | None = connection.execute(ERASED, (digest,)).get
    return found


def forgetter(connection: Connection) -> Callable[[str, str, int], bool]:
    """Tells of user, visitor and time whether it is to be forgotten; cheap where nobody was ever erased."""
    if not connection.execute("SELECT EXISTS (SELECT 1 FROM erasures)").get:
        return lambda user_id, visitor_id, time_us: False

    def is_forgotten(user_id: str, visitor_id: str, time_us: int) -> bool:
        until_us = erased_us(connection, user_id, visitor_id)
        return until_us is not None and time_us <= until_us

    return is_forgotten
