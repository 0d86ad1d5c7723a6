"""What a supervisor is to the processes beside its workers: a selector, a place to speak, and a loop."""

from __future__ import annotations

import selectors
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, TypeVar

from server.settings import Settings

PATIENCE_S = 60


class Chores(Protocol):
    """What runs such processes one at a time."""

    @property
    def due_s(self) -> float | None: ...
    def act(self) -> None: ...
    def stop(self) -> None: ...


Kind = TypeVar("Kind", bound=Chores)


class Room:
    """said: what was for the operator."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.selector = selectors.DefaultSelector()
        self.said: list[str] = []

    def start(self, kind: Callable[..., Kind], program: str, **options: Any) -> Kind:
        """One whose processes run ``program``."""
        options = {"command": (sys.executable, "-c", program), **options}
        return kind(self.settings, say=self.said.append, selector=self.selector, **options)

    def until(self, done: Callable[[], bool], chores: Chores | None = None) -> None:
        """Read what comes until it is ``done``; start what is due of ``chores``."""
        end_s = monotonic() + PATIENCE_S
        while not done():
            assert monotonic() < end_s, self.said
            if chores is not None:
                chores.act()
            for key, _ in self.selector.select(0.01):
                key.data.read()

    @property
    def is_quiet(self) -> bool:
        """Whether no process runs."""
        return not self.selector.get_map()
