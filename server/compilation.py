"""The supervisor's side of compiling rankers: one low-priority process at a time, and no snapshot twice."""

from __future__ import annotations

import selectors
import sys
from collections.abc import Callable, Sequence

from recsys.compiled.toolchain import why_not
from server.chores import Chore
from server.settings import Settings

COMMAND = (sys.executable, "-m", "server.compile_rankers")
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
        self._say = say
        self._longest_s = longest_s
        self._chore = Chore(command, settings, say=say, selector=selector, owner=self, longest_s=longest_s)
        self._off = settings.compiled_cache is None
        self._version = ""
        self._wanted = ""
        self._failed: set[str] = set()

    @property
    def due_s(self) -> float | None:
        """When (monotonic seconds) ``act`` is to be called; None while nothing runs."""
        return self._chore.due_s

    def want(self, version: str) -> None:
        """Compile the rankers of ``version`` now, or when the running compilation has ended."""
        if not self._off and (reason := why_not()):
            self._off = True
            self._say(f"rankers are not compiled, LightGBM scores: {reason}")
        if self._off or version in self._failed or version == self._version:
            return
        self._wanted = version
        if not self._chore.is_running:
            self._start()

    def read(self) -> None:
        """Say what the process printed; at the end of it, say how it ended if not well, and start the next."""
        code = self._chore.read()
        if code is None:
            return
        if code:
            self._failed.add(self._version)
            self._say(f"compiling the rankers of {self._version} ended with code {code}; LightGBM scores")
        if self._wanted:
            self._start()

    def act(self) -> None:
        """End a compilation that takes too long; ``read`` then finds its end."""
        if self._chore.end_overdue():
            self._say(f"compiling the rankers of {self._version} takes more than {self._longest_s:g} s and is ended")

    def stop(self) -> None:
        """End what runs, at once, and start nothing more: the cache holds whole files at every instant."""
        self._off, self._wanted = True, ""
        self._chore.stop()

    def _start(self) -> None:
        self._version, self._wanted = self._wanted, ""
        if not self._chore.start(self._version):
            self._failed.add(self._version)
