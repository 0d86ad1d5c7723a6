"""Work that must not compete with workers: one process of lowest priority at a time, ended when it takes too long."""

from __future__ import annotations

import os
import resource
import selectors
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from server.children import exit_code, started
from server.settings import Settings

LOWEST_PRIORITY = 19


class Chore:
    """A process of ``command`` with ``settings``; ``say`` gets the lines that it prints.

    It registers the process's output with ``selector``, and ``owner`` as data: call ``read`` when there is some.
    """

    def __init__(
        self,
        command: Sequence[str],
        settings: Settings,
        *,
        say: Callable[[str], None],
        selector: selectors.BaseSelector,
        owner: Any,
        longest_s: float,
    ) -> None:
        self._command = command
        self._settings = settings
        self._say = say
        self._selector = selector
        self._owner = owner
        self._longest_s = longest_s
        self._process: subprocess.Popen[bytes] | None = None
        self._kill_at_s = 0.0
        self._unread = b""
        # Seconds of a processor that the last one took: of the clock it may be anything, at this priority.
        self.took_s = 0.0

    @property
    def is_running(self) -> bool:
        """Whether a process runs, or its end is yet to be read."""
        return self._process is not None

    @property
    def due_s(self) -> float | None:
        """When (monotonic seconds) it is overdue; None while nothing runs."""
        return self._kill_at_s if self._process else None

    def start(self, *arguments: str) -> bool:
        """Start it; nothing may run. False, and said why, where the system lets no process start now."""
        try:
            process = started([*self._command, *arguments], self._settings)
        except OSError as error:
            self._say(f"{self._command[-1]} cannot be started: {error.strerror or error}")
            return False
        assert process.stdout is not None
        # By the parent, so that not even the imports of the child compete with a worker.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
        self._process, self._unread = process, b""
        self._kill_at_s = monotonic() + self._longest_s
        self._selector.register(process.stdout, selectors.EVENT_READ, self._owner)
        return True

    def read(self) -> int | None:
        """Say what the process printed; its exit code once it has ended, until then None."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        received = os.read(process.stdout.fileno(), 65_536)
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            self._say(line.decode(errors="replace"))
        return None if received else self._ended()

    def end_overdue(self) -> bool:
        """End it where it takes too long, and whether it did; ``read`` then finds its end."""
        if self._process is None or monotonic() < self._kill_at_s:
            return False
        self._process.kill()
        self._kill_at_s = monotonic() + self._longest_s
        return True

    def stop(self) -> None:
        """End what runs, at once."""
        if self._process:
            self._process.kill()
            self._ended()

    def _ended(self) -> int:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        self._selector.unregister(process.stdout)
        self._process = None
        before_s = _of_ended_s()
        code = exit_code(process)
        self.took_s = _of_ended_s() - before_s
        return code


def _of_ended_s() -> float:
    """Seconds of a processor that all children took who were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
