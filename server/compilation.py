"""The supervisor's side of compiling rankers: one low-priority process at a time, and no snapshot twice."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

from recsys.compiled.toolchain import why_not
from server.children import exit_code, started
from server.settings import Settings

COMMAND = (sys.executable, "-m", "server.compile_rankers")
LOWEST_PRIORITY = 19
# Minutes on a busy machine; beyond that something is wrong with the forest or the compiler.
LONGEST_S = 1800.0


class Compilation:
    """Compiles the rankers of the versions it is told of, newest first; ``say`` gets lines for the operator.

    Registers its process's output with ``selector``, itself as data: call ``read`` when there is some. A version whose
    compilation fails or takes too long is said once and not tried again.
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
        self._settings = settings
        self._say = say
        self._selector = selector
        self._command = command
        self._longest_s = longest_s
        self._off = settings.compiled_cache is None
        self._process: subprocess.Popen[bytes] | None = None
        self._version = ""
        self._wanted = ""
        self._failed: set[str] = set()
        self._kill_at_s = 0.0
        self._unread = b""

    @property
    def due_s(self) -> float | None:
        """When (monotonic seconds) ``kill_overdue`` is to be called; None while nothing runs."""
        return self._kill_at_s if self._process else None

    def want(self, version: str) -> None:
        """Compile the rankers of ``version`` now, or when the running compilation has ended."""
        if not self._off and (reason := why_not()):
            self._off = True
            self._say(f"rankers are not compiled, LightGBM scores: {reason}")
        if self._off or version in self._failed or version == self._version:
            return
        self._wanted = version
        if not self._process:
            self._start()

    def read(self) -> None:
        """Say what the process printed; at the end of it, say how it ended if not well, and start the next."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        received = os.read(process.stdout.fileno(), 65_536)
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            self._say(line.decode(errors="replace"))
        if received:
            return
        if code := self._ended():
            self._failed.add(self._version)
            self._say(f"compiling the rankers of {self._version} ended with code {code}; LightGBM scores")
        if self._wanted:
            self._start()

    def kill_overdue(self) -> None:
        """End a compilation that takes too long; ``read`` then finds its end."""
        if self._process and monotonic() >= self._kill_at_s:
            self._say(f"compiling the rankers of {self._version} takes more than {self._longest_s:g} s and is ended")
            self._process.kill()
            self._kill_at_s = monotonic() + self._longest_s

    def stop(self) -> None:
        """End what runs, at once, and start nothing more: the cache holds whole files at every instant."""
        self._off, self._wanted = True, ""
        if self._process:
            self._process.kill()
            self._ended()

    def _start(self) -> None:
        self._version, self._wanted = self._wanted, ""
        process = started([*self._command, self._version], self._settings)
        assert process.stdout is not None
        # By the parent, so that not even the imports of the child compete with a worker.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
        self._process, self._kill_at_s, self._unread = process, monotonic() + self._longest_s, b""
        self._selector.register(process.stdout, selectors.EVENT_READ, self)

    def _ended(self) -> int:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        self._selector.unregister(process.stdout)
        self._process = None
        return exit_code(process)
