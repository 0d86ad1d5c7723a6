"""Events and slates as one text each: who it is about can be read, and taken out, without the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from recsys.stores.records import LiveEvent, ShownItem, ShownSlate

# As they stand in a record, in this order.
_COLUMNS = tuple(column for column in LiveEvent.__slots__ if column not in ("user_id", "visitor_id"))


def of_event(event: LiveEvent) -> bytes:
    """An event's record."""
    return _record(event.user_id, event.visitor_id, [getattr(event, column) for column in _COLUMNS])


def event(record: bytes) -> LiveEvent:
    """The event of a record."""
    user_id, visitor_id, rest = _parts(record)
    return LiveEvent(user_id=user_id, visitor_id=visitor_id, **dict(zip(_COLUMNS, rest, strict=True)))


def of_slate(slate: ShownSlate) -> bytes:
    """A slate's record."""
    rest = asdict(slate)
    return _record(rest.pop("user_id"), rest.pop("visitor_id"), rest)


def slate(record: bytes) -> ShownSlate:
    """The slate of a record."""
    user_id, visitor_id, rest = _parts(record)
    items = tuple(ShownItem(**{**item, "sources": tuple(item["sources"])}) for item in rest.pop("items"))
    return ShownSlate(user_id=user_id, visitor_id=visitor_id, items=items, **rest)


def _record(user_id: str, visitor_id: str, rest: dict[str, Any] | Sequence[Any]) -> bytes:
    user, visitor = user_id.encode(), visitor_id.encode()
    text = json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode()
    return b"%d %d %b%b%b" % (len(user), len(visitor), user, visitor, text)


def _parts(record: bytes) -> tuple[str, str, Any]:
    n_user, n_visitor, rest = record.split(b" ", 2)
    user_end = int(n_user)
    visitor_end = user_end + int(n_visitor)
    return rest[:user_end].decode(), rest[user_end:visitor_end].decode(), json.loads(rest[visitor_end:])
