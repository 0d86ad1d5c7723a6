"""People in Redis: what they did, profiles, links and erasures."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from recsys.errors import StateUnavailable
from recsys.stores.changes import profiled
from recsys.stores.records import Erasure, Person, ProfileChange, Receipt, Value, erasure_digest
from recsys.stores.redis import records, scripts
from recsys.stores.redis.connection import PREFIX, Argument, Server
from recsys.stores.redis.swapping import Swap, swapped

_TRIES = 100
# How long an erasure waits for the server to write its files anew.
_FORGET_S = 30.0
_PAGE = 1_000


class RedisUserStore:
    """``UserStore``."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def person(self, user_id: str, visitor_id: str, *, most_events: int) -> Person:
        return self.people([(user_id, visitor_id)], most_events=most_events)[0]

    def people(self, ids: Sequence[tuple[str, str]], *, most_events: int) -> list[Person]:
        if not ids:
            return []
        arguments: list[Argument] = [most_events]
        for user_id, visitor_id in ids:
            arguments += (user_id, visitor_id)
        return [_person(found, most_events) for found in self._server.read(scripts.PEOPLE, arguments)]

    def count_events(self, person: Person) -> int:
        return int(self._server.read(scripts.COUNT, (person.user_id, *person.visitor_ids)))

    def upsert(self, changes: Sequence[ProfileChange], *, existing: Collection[str], create: bool) -> list[bool]:
        if not changes:
            return []
        digests = [erasure_digest("user", wished.user_id).hex() for wished in changes]
        erased = self._server.command("HMGET", f"{PREFIX}erasures", *digests)

        def change(record: bytes, index: int) -> Swap | None:
            wished = changes[index]
            exists = wished.user_id in existing and erased[index] is None
            if not record and not create and not exists:
                return None
            profile = profiled(json.loads(record or b"{}"), wished)
            return Swap(json.dumps(profile, ensure_ascii=False, separators=(",", ":")).encode())

        made = swapped(self._server, "profiles", [wished.user_id for wished in changes], change)
        return [swap is not None for swap in made]

    def profiles(self) -> Iterator[tuple[str, Mapping[str, Value | None]]]:
        found = sorted(self._all("profiles").items())
        return ((user_id, json.loads(record)) for user_id, record in found)

    def link(self, user_id: str, visitor_id: str) -> str:
        before: bytes = self._server.write(scripts.LINK, (user_id, visitor_id))
        return before.decode()

    def unlink(self, user_id: str, visitor_id: str) -> bool:
        return bool(self._server.write(scripts.UNLINK, (user_id, visitor_id)))

    def links(self) -> Iterator[tuple[str, str]]:
        found = sorted(self._all("links").items())
        return ((visitor_id, user_id.decode()) for visitor_id, user_id in found)

    def erase(self, user_id: str, *, now_us: int) -> Receipt:
        for _ in range(_TRIES):
            visitors = [one.decode() for one in self._server.command("SMEMBERS", f"{PREFIX}visitors:{user_id}")]
            arguments: list[Argument] = [user_id, now_us, erasure_digest("user", user_id).hex()]
            for visitor in visitors:
                arguments += (visitor, erasure_digest("visitor", visitor).hex())
            found = self._server.write(scripts.ERASE, arguments)
            if found is not None:
                self._server.forget(wait_s=_FORGET_S)
                n_events, n_profiles = found
                return Receipt(str(uuid4()), n_events, n_profiles > 0, len(visitors), now_us)
        raise StateUnavailable(f"{self._server.name}: the user's links change all the time")

    def erasures(self) -> Iterator[Erasure]:
        found = sorted(self._all("erasures").items())
        return (Erasure(bytes.fromhex(digest), int(erased_us)) for digest, erased_us in found)

    def _all(self, kind: str) -> dict[str, bytes]:
        """Everything of a hash, some at a time, so that nobody waits for long."""
        found: dict[str, bytes] = {}
        cursor = 0
        while True:
            cursor, page = self._server.scan(f"{PREFIX}{kind}", cursor, _PAGE)
            found |= {name.decode(): value for name, value in page.items()}
            if not cursor:
                return found


def _person(found: Sequence[Any], most: int) -> Person:
    """Of what ``scripts.PEOPLE`` returns for one."""
    user_id, visitor_ids, profile, erased, texts = found
    events = sorted((records.event(text) for text in texts), key=lambda event: (-event.time_us, event.event_id))
    attributes: dict[str, Any] = json.loads(profile or b"{}")
    return Person(
        user_id=user_id.decode(),
        visitor_ids=tuple(sorted(visitor.decode() for visitor in visitor_ids)),
        attributes=attributes,
        erased_us=int(erased) if erased else None,
        events=tuple(events[:most]),
    )
