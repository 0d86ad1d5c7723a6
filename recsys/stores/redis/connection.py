"""Connections to a Redis or Valkey server, what must be true of it before anything is written, and its errors.

The only module that imports redis. Whoever is acknowledged relies on the server's own disk: its append-only file must
be on disk before it replies (appendfsync always), or the URL must say that a second may be lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recsys.errors import InputError, StateUnavailable

# Of all keys, so that other applications' may lie beside them.
PREFIX = "tributary:"
SCHEMA = 1
SCHEMES = ("redis", "rediss")
# Reads are waited for by answers; writes wait for a disk and for the writes before them.
READ_S = 1.0
WRITE_S = 3.0
# How long a server that did not answer is left alone, so that not every answer waits for it.
_REST_S = 1.0
_DURABILITIES = ("always", "everysec")

Argument = str | bytes | int


class Server:
    """One server's database. Methods may be called from many threads; StateUnavailable where it is down or slow."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        self._may_lose_a_second = _durability(options.pop("durability", "always")) == "everysec"
        # Fit for logs: without user and password.
        self.name = f"{parts.hostname}:{parts.port or 6379}{parts.path.rstrip('/') or '/0'}"
        self._refusal = ""
        self._version = ""
        self._rests_until, self._last_failure = 0.0, ""
        self._closed = False
        bare = urlunsplit(parts._replace(query=urlencode(options)))
        try:
            self._reading, self._writing = (self._client(bare, timeout_s) for timeout_s in (READ_S, WRITE_S))
        except (ValueError, TypeError) as error:
            raise InputError(f"--state {parts.scheme}://{self.name}: {error}") from error

    def check(self) -> None:
        """InputError where the server is there and must not be written to; nothing where it is not there."""
        try:
            self.command("PING")
        except StateUnavailable:
            return
        if self._refusal:
            raise InputError(f"{self.name}: {self._refusal}")

    def read(self, script: str, arguments: Sequence[Argument]) -> Any:
        """What a script that changes nothing returns."""
        with self._available():
            return self._reading.register_script(script)([PREFIX], arguments)

    def command(self, *words: Argument) -> Any:
        """What a command that changes nothing returns."""
        with self._available():
            return _execute(self._reading, *words)

    def scan(self, key: str, cursor: int, about: int) -> tuple[int, dict[bytes, bytes]]:
        """About so many fields of a hash, and the cursor to go on from, 0 at the end."""
        with self._available():
            at, page = _execute(self._reading, "HSCAN", key, cursor, "COUNT", about)
            return int(at), page

    def write(self, script: str, arguments: Sequence[Argument]) -> Any:
        """What a script returns whose changes are on disk; all of them are made or none."""
        with self._available():
            if not self._version:
                # Only a connection tells whether the server may be written to.
                self._writing.ping()
            if self._refusal:
                raise StateUnavailable(f"{self.name}: {self._refusal}")
            return self._writing.register_script(script)([PREFIX], arguments)

    def forget(self, *, wait_s: float) -> None:
        """Have the server write its files anew, without what was deleted; StateUnavailable unless done in time."""
        until = time.monotonic() + wait_s
        with self._available():
            self._rewrite("BGREWRITEAOF", ("aof_rewrite_in_progress", "aof_rewrite_scheduled"), until)
            if _pairs(_execute(self._writing, "CONFIG GET", "save")).get("save"):
                self._rewrite("BGSAVE", ("rdb_bgsave_in_progress",), until)

    def describe(self) -> str:
        """Version, address and durability."""
        if not self._version:
            return f"Redis at {self.name}: not reached yet"
        if self._refusal:
            promise = f"refuses writes: {self._refusal}"
        elif self._may_lose_a_second:
            promise = "append-only file, up to a second of acknowledged writes is lost when the machine fails"
        else:
            promise = "append-only file, on disk before it is acknowledged"
        return f"{self._version} at {self.name}: {promise}"

    def close(self) -> None:
        """Let go of all connections."""
        self._closed = True
        self._reading.close()
        self._writing.close()

    def _client(self, url: str, timeout_s: float) -> redis.Redis:
        client = redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=timeout_s,
            socket_connect_timeout=READ_S,
            redis_connect_func=self._connected,
        )
        # Whoever asked asks again. That a restart has cut its connections, a pool notices by itself.
        client.set_retry(Retry(NoBackoff(), 0))
        return client

    def _connected(self, connection: Any) -> None:
        """What every new connection asks first: the server may have been started anew with other settings."""
        connection.on_connect()
        settings: dict[str, str] = {}
        for pattern in ("append*", "maxmemory*"):
            settings |= _pairs(_asked(connection, "CONFIG", "GET", pattern))
        schema = _asked(connection, "GET", f"{PREFIX}schema")
        self._refusal = self._refused(settings, int(schema or SCHEMA))
        if not self._refusal and schema is None:
            _asked(connection, "SETNX", f"{PREFIX}schema", SCHEMA)
        about = _lines(_asked(connection, "INFO", "server"))
        kind = "Valkey" if "valkey_version" in about else "Redis"
        self._version = f"{kind} {about.get('valkey_version') or about.get('redis_version', '?')}"

    def _refused(self, settings: Mapping[str, str], schema: int) -> str:
        """Why nothing must be written, "" where all is well."""
        if schema > SCHEMA:
            return f"its state is of schema {schema}, written by a newer version; this one reads up to {SCHEMA}"
        if not settings:
            return "CONFIG GET is not allowed, so that durability cannot be seen; allow it to this user"
        if settings.get("appendonly") != "yes":
            return "appendonly is not yes: a restart would lose what was acknowledged"
        if settings.get("appendfsync") not in ("always", "everysec" if self._may_lose_a_second else "always"):
            return (
                f"appendfsync is {settings.get('appendfsync')}, not always: acknowledged writes could be lost; set it, "
                "or accept the loss of a second with ?durability=everysec"
            )
        if settings.get("maxmemory", "0") != "0" and settings.get("maxmemory-policy") != "noeviction":
            return f"maxmemory-policy is {settings.get('maxmemory-policy')}, not noeviction: state would be evicted"
        return ""

    def _rewrite(self, command: str, running: Sequence[str], until: float) -> None:
        asked = False
        while True:
            about = self._writing.info("persistence")
            if not any(about.get(name) for name in running):
                if asked:
                    return
                # One that began before may hold what was deleted since.
                _execute(self._writing, command)
                asked = True
            if time.monotonic() > until:
                raise StateUnavailable(f"{self.name}: deleted, but its files are not yet written anew: ask again")
            time.sleep(0.02)

    @contextmanager
    def _available(self) -> Iterator[None]:
        if self._closed:
            raise StateUnavailable(f"{self.name}: closed")
        if time.monotonic() < self._rests_until:
            raise StateUnavailable(f"{self.name}: did not answer a moment ago: {self._last_failure}")
        try:
            yield
        except redis.RedisError as error:
            if isinstance(error, redis.ConnectionError | redis.TimeoutError):
                self._rests_until, self._last_failure = time.monotonic() + _REST_S, str(error)
            raise StateUnavailable(f"{self.name}: {error}") from error


def _durability(name: str) -> str:
    if name not in _DURABILITIES:
        raise InputError(f"durability is {name!r}, not one of {', '.join(_DURABILITIES)}")
    return name


def _execute(client: redis.Redis, *words: Argument) -> Any:
    return client.execute_command(*words)  # type: ignore[no-untyped-call]


def _asked(connection: Any, *words: Argument) -> Any:
    """The reply of a command on a bare connection; None where the server refuses it."""
    connection.send_command(*words)
    try:
        return connection.read_response()
    except redis.ResponseError:
        return None


def _pairs(reply: Any) -> dict[str, str]:
    """A reply of names and values in turn."""
    if isinstance(reply, dict):
        return {_text(name): _text(value) for name, value in reply.items()}
    words = [_text(word) for word in reply or ()]
    return dict(zip(words[::2], words[1::2], strict=True))


def _lines(reply: Any) -> dict[str, str]:
    """A reply of lines ``name:value``."""
    lines = (line.partition(":") for line in _text(reply or b"").splitlines())
    return {name: value for name, colon, value in lines if colon}


def _text(word: str | bytes) -> str:
    return word.decode() if isinstance(word, bytes) else word
