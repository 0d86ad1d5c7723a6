"""Lists that were shown, in Redis: a thread writes them, so that no answer waits for the server's disk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Thread

from recsys.errors import StateUnavailable
from recsys.stores.records import ShownSlate
from recsys.stores.redis import records, scripts
from recsys.stores.redis.connection import Argument, Server

_MOST_WAITING = 4_096
_MOST_A_WRITE = 256


class RedisSlateLog:
    """``SlateLog``: what the server does not take, or too much at once, is lost."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._waiting: Queue[ShownSlate | None] = Queue(_MOST_WAITING)
        self._thread = Thread(target=self._run, name="slate writer", daemon=True)
        self._thread.start()

    def append(self, slates: Sequence[ShownSlate]) -> None:
        with suppress(Full):
            for slate in slates:
                self._waiting.put_nowait(slate)

    def since(self, position: int, limit: int) -> tuple[list[ShownSlate], int]:
        found = self._server.read(scripts.SINCE, ("slates", "slate_order", position, limit))
        return [records.slate(text) for text in found[1::2]], int(found[-2]) if found else position

    def close(self) -> None:
        """Write what waits, and end."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending and (first := self._waiting.get()) is not None:
            slates = [first]
            with suppress(Empty):
                while len(slates) < _MOST_A_WRITE and not ending:
                    slate = self._waiting.get_nowait()
                    if slate is None:
                        ending = True
                    else:
                        slates.append(slate)
            arguments: list[Argument] = []
            for slate in slates:
                arguments += (slate.time_us, records.of_slate(slate))
            with suppress(StateUnavailable):
                self._server.write(scripts.APPEND_SLATES, arguments)
