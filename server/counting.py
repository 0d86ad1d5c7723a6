"""The supervisor's side of counting what is taken lately: one low-priority process now and then, for all workers."""

from __future__ import annotations

import selectors
import sys
from collections.abc import Callable, Sequence
from time import monotonic

from server.chores import Chore
from server.settings import Settings

COMMAND = (sys.executable, "-m", "server.count_lately")
# Of one core at most a tenth, at a priority that gives way to any worker.
RESTS = 10.0
LONGEST_S = 600.0


class Counting:
    """Counts live events into the statistics of the version it was told of last; ``say`` gets lines for the operator.

    ``settings.statistics_s`` from one to the next at least, and ``RESTS`` times what the last one took of a processor.
    Registers its process's output with ``selector``, itself as data: call ``read`` when there is some.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        say: Callable[[str], None],
        selector: selectors.BaseSelector,
        command: Sequence[str] = COMMAND,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._say = say
        self._longest_s = longest_s
        self._chore = Chore(command, settings, say=say, selector=selector, owner=self, longest_s=longest_s)
        self._interval_s = None if settings.scratch is None else settings.statistics_s
        self._version = ""
        self._counted = ""
        self._next_s = 0.0

    @property
    def due_s(self) -> float | None:
        """When (monotonic seconds) ``act`` is to be called; None while there is nothing to count for."""
        if self._chore.is_running:
            return self._chore.due_s
        return self._next_s if self._version and self._interval_s is not None else None

    def want(self, version: str) -> None:
        """Count for ``version`` from now on, at once where it is another than before."""
        if version != self._version:
            self._version, self._next_s = version, monotonic()

    def read(self) -> None:
        """Say what the process printed; at the end of it, say how it ended if not well."""
        code = self._chore.read()
        if code is None:
            return
        if code:
            self._say(f"counting what is taken lately ended with code {code}; item statistics stay as they are")
        if self._counted == self._version:
            self._rest()

    def act(self) -> None:
        """Start what is due, end what takes too long."""
        if self._chore.end_overdue():
            self._say(f"counting what is taken lately takes more than {self._longest_s:g} s and is ended")
        elif not self._chore.is_running and (due_s := self.due_s) is not None and monotonic() >= due_s:
            self._counted = self._version
            if not self._chore.start(self._version):
                self._rest()

    def _rest(self) -> None:
        self._next_s = monotonic() + max(self._interval_s or 0.0, RESTS * self._chore.took_s)

    def stop(self) -> None:
        """End what runs, at once, and start nothing more: what was counted before is whole."""
        self._interval_s = None
        self._chore.stop()
