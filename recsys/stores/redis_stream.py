"""A Redis or Valkey stream, read by a consumer group: every entry is handed out until it is acknowledged."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from recsys.errors import InputError

if TYPE_CHECKING:
    import redis

SCHEMES = {"redis-stream": "redis", "rediss-stream": "rediss"}
_FORM = "redis-stream://HOST:PORT/STREAM[?group=NAME&consumer=NAME&idle_s=N&db=N]"
_BLOCK_MS = 1000


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """url: of the server, with the password if there is one · stream, group, consumer: names · idle_ms: what another
    consumer has held so long without an acknowledgement is taken over.
    """

    url: str
    stream: str
    group: str
    consumer: str
    idle_ms: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Out of ``redis-stream://…`` (``rediss-stream://`` with TLS). InputError when it is not of that form."""
        parts = urlsplit(text)
        stream = unquote(parts.path.removeprefix("/"))
        try:
            given = {
                name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
            }
            port = parts.port
            idle_s, db = float(given.pop("idle_s", 60)), int(given.pop("db", 0))
        except ValueError:
            stream = ""
        if parts.scheme not in SCHEMES or not parts.hostname or not stream:
            raise InputError(f"a stream is named as {_FORM}, got {_masked(text)!r}")
        group, consumer = given.pop("group", "tributary"), given.pop("consumer", socket.gethostname())
        if given or not 0 <= idle_s < 1e6 or db < 0:
            raise InputError(f"a stream takes group, consumer, idle_s and db, at least 0, got {_masked(text)!r}")
        login, _, _ = parts.netloc.rpartition("@")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        netloc = f"{login}@{host}:{port or 6379}" if login else f"{host}:{port or 6379}"
        return cls(f"{SCHEMES[parts.scheme]}://{netloc}/{db}", stream, group, consumer, int(idle_s * 1000))


@dataclass(frozen=True, slots=True)
class Entry:
    """fields: {} when the server has trimmed the entry away while it was pending."""

    id: str
    fields: Mapping[bytes, bytes]


class StreamReader:
    """Reads entries in this order: what this consumer was given and never acknowledged, what others left, what is new.

    Two readers of one consumer name may be given the same entries; readers of one group with names of their own are
    not, unless one of them is silent for the address's ``idle_ms``.
    """

    def __init__(self, address: StreamAddress, client: redis.Redis) -> None:
        self._address = address
        self._client = client
        # Where to go on among entries of one's own and of others; None: through.
        self._own: str | None = "0"
        self._left: str | None = "0-0"

    @classmethod
    def open(cls, address: StreamAddress, *, make: bool = False) -> Self:
        """Join the group, from the stream's beginning where the group is new.

        make: a stream that does not exist is begun. InputError where there is no such stream, or no server.
        """
        try:
            import redis
            from redis.backoff import ExponentialWithJitterBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise InputError("streams take the package redis: install the extra redis") from error
        # Five seconds in all: a server that is started again does not end a reader that follows.
        retry = Retry(ExponentialWithJitterBackoff(base=0.1, cap=1.0), 8)
        client = redis.Redis.from_url(address.url, retry=retry, socket_timeout=30, socket_connect_timeout=5)
        reader = cls(address, client)
        try:
            client.xgroup_create(address.stream, address.group, id="0", mkstream=make)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                reader.close()
                lacking = "requires the key to exist" in str(error)
                why = "it does not exist" if lacking else str(error)
                raise InputError(f"stream {address.stream} cannot be read: {why}") from error
        except redis.RedisError as error:
            reader.close()
            raise _unreadable(address, error) from error
        return reader

    def read(self, count: int, *, wait: bool) -> list[Entry]:
        """At most ``count`` entries, [] when there are none now; ``wait`` up to a second for new ones."""
        while True:
            if self._own is not None:
                entries = self._given(self._own, count)
                self._own = entries[-1].id if entries else None
            elif self._left is not None:
                entries = self._taken_over(count)
            else:
                entries = self._given(">", count, block=_BLOCK_MS if wait else None)
                if not entries:
                    # Time has passed: somebody may have died since.
                    self._left = "0-0"
                return entries
            if entries:
                return entries

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Take entries off the list of those that are handed out again."""
        if ids:
            self._called("xack", self._address.stream, self._address.group, *ids)

    def n_pending(self) -> int:
        """Entries that were handed to somebody and not acknowledged."""
        return int(self._called("xpending", self._address.stream, self._address.group)["pending"])

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _given(self, start: str, count: int, block: int | None = None) -> list[Entry]:
        to = self._address
        answer = self._called("xreadgroup", to.group, to.consumer, {to.stream: start}, count=count, block=block)
        return [_entry(id, fields) for _, entries in answer or () for id, fields in entries]

    def _taken_over(self, count: int) -> list[Entry]:
        to = self._address
        start, entries, *gone = self._called(
            "xautoclaim", to.stream, to.group, to.consumer, to.idle_ms, start_id=self._left, count=count
        )
        following = _decoded(start)
        self._left = None if following == "0-0" else following
        trimmed = [Entry(_decoded(id), {}) for id in (gone[0] if gone else ())]
        return [*(_entry(id, fields) for id, fields in entries if id is not None), *trimmed]

    def _called(self, name: str, *words: Any, **options: Any) -> Any:
        import redis

        try:
            return getattr(self._client, name)(*words, **options)
        except redis.RedisError as error:
            raise _unreadable(self._address, error) from error


def _entry(id: bytes | str, fields: Mapping[bytes, bytes] | None) -> Entry:
    return Entry(_decoded(id), fields or {})


def _decoded(id: bytes | str) -> str:
    return id if isinstance(id, str) else id.decode("ascii")


def _unreadable(address: StreamAddress, error: Exception) -> InputError:
    return InputError(f"stream {address.stream} at {_masked(address.url)} cannot be read: {error}")


def _masked(text: str) -> str:
    """``text`` without the part that may be a password."""
    scheme, found, rest = text.partition("://")
    login, at, place = rest.rpartition("@")
    return f"{scheme}://***@{place}" if found and at and login else text
