"""When a process that serves is to end: a signal, to whichever thread the kernel gives it, or the word of a thread."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack, suppress
from types import TracebackType

_ASKED = 0  # no signal has this number


class Ending:
    """While entered, by the main thread, the signals ``numbers`` end nothing but ``wait``.

    Not an Event that a handler sets. Python runs handlers on the main thread, and nothing tells it where it waits for a
    lock while the kernel gave the signal to another thread, as it does when that one is sooner on a processor. What
    goes into the pipe goes there on whichever thread the signal arrives, and a signal before ``wait`` is kept.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers
        self._woken, self._wakeup = socket.socketpair()
        self._wakeup.setblocking(False)
        self._stack = ExitStack()

    def __enter__(self) -> Ending:
        self._stack.enter_context(self._woken)
        self._stack.enter_context(self._wakeup)
        self._stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(self._wakeup.fileno()))
        for number in self._numbers:
            self._stack.callback(signal.signal, number, signal.signal(number, lambda *_: None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self) -> None:
        """End ``wait``, from any thread; nothing once it is over."""
        # Full means that there is plenty to wake up for.
        with suppress(OSError):
            self._wakeup.send(bytes([_ASKED]))

    def wait(self) -> None:
        """Block until one of the signals came or somebody asked."""
        # Signals that others handle come by here as well.
        while self._woken.recv(1)[0] not in (_ASKED, *self._numbers):
            pass
