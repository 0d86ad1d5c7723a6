"""Events in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recsys.stores.records import EventFilter, LiveEvent
from recsys.stores.redis import records, scripts
from recsys.stores.redis.connection import PREFIX, Argument, Server

_PAGE = 1_000


class RedisEventLog:
    """``EventLog``."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def append(self, events: Sequence[LiveEvent]) -> list[bool]:
        arguments: list[Argument] = []
        for event in events:
            arguments += (event.event_id, records.of_event(event), -event.time_us, event.time_us)
        return [bool(new) for new in self._server.write(scripts.APPEND, arguments)] if events else []

    def since(self, position: int, limit: int) -> tuple[list[LiveEvent], int]:
        found = self._server.read(scripts.SINCE, ("events", "order", position, limit))
        return [records.event(text) for text in found[1::2]], int(found[-2]) if found else position

    def purge(self, chosen: EventFilter, *, force: bool) -> int:
        n_events = 0
        for page in self._pages(chosen):
            fitting = [event.event_id for event in page if _fits(event, chosen)]
            if force and fitting:
                n_events += self._server.write(scripts.REMOVE, fitting)
            else:
                n_events += len(fitting)
        return n_events

    def count(self) -> int:
        return int(self._server.command("HLEN", f"{PREFIX}events"))

    def _pages(self, chosen: EventFilter) -> Iterator[list[LiveEvent]]:
        """All events, or the user's or visitor's where the filter names one, some at a time."""
        if not chosen.user_id and not chosen.visitor_id:
            position = 0
            while True:
                page, position = self.since(position, _PAGE)
                if not page:
                    return
                yield page
        else:
            ids = self._ids(chosen)
            for start in range(0, len(ids), _PAGE):
                texts = self._server.command("HMGET", f"{PREFIX}events", *ids[start : start + _PAGE])
                yield [records.event(text) for text in texts if text is not None]

    def _ids(self, chosen: EventFilter) -> list[bytes]:
        if chosen.user_id:
            return list(self._server.command("ZRANGE", f"{PREFIX}of:user:{chosen.user_id}", 0, -1))
        alone = self._server.command("ZRANGE", f"{PREFIX}of:visitor:{chosen.visitor_id}", 0, -1)
        return [*alone, *self._server.command("SMEMBERS", f"{PREFIX}on:{chosen.visitor_id}")]


def _fits(event: LiveEvent, chosen: EventFilter) -> bool:
    named = (
        (chosen.user_id, event.user_id),
        (chosen.visitor_id, event.visitor_id),
        (chosen.event_type, event.event_type),
        (chosen.item_id, event.item_id),
    )
    return (
        all(wanted is None or wanted == value for wanted, value in named)
        and (chosen.since_us is None or event.time_us >= chosen.since_us)
        and (chosen.until_us is None or event.time_us < chosen.until_us)
    )
