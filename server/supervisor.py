"""Keeps N worker processes alive on one port. Never touches gRPC, OpenMP or NumPy: it only starts, watches and ends."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from types import FrameType

from recsys.errors import InputError
from server.children import exit_code, started
from server.compilation import Compilation
from server.counting import Counting
from server.settings import Settings

WORKER_COMMAND = (sys.executable, "-m", "server.worker")
CANNOT_WORK = 2
# Whom a signal ends by itself had not come as far as heeding it, and had no calls.
STOPPED = (0, -signal.SIGTERM, -signal.SIGINT)
FIRST_RESTART_S = 0.5
LAST_RESTART_S = 30.0
# A worker that lived this long was healthy: its end is not part of a crash loop.
HEALTHY_S = 30.0
KILL_AFTER_GRACE_S = 5.0


@dataclass(slots=True)
class _Slot:
    """The place of one worker: its process while it lives, or when (monotonic seconds) to start the next."""

    index: int
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    failures: int = 0
    restart_at_s: float = 0.0
    unread: bytes = field(default=b"", repr=False)


class Supervisor:
    """Runs ``settings.workers`` copies of ``command`` until SIGTERM or SIGINT; ``say`` gets lines for the operator."""

    def __init__(
        self, settings: Settings, *, say: Callable[[str], None], command: Sequence[str] = WORKER_COMMAND
    ) -> None:
        self._settings = settings
        self._say = say
        self._command = command
        self._slots = [_Slot(index) for index in range(settings.workers)]
        self._selector = selectors.DefaultSelector()
        self._chores = (
            Compilation(settings, say=say, selector=self._selector),
            Counting(settings, say=say, selector=self._selector),
        )
        self._exit_code = 0
        self._kill_at_s: float | None = None
        self._is_told = False
        self._listening = False

    def run(self) -> int:
        """Block until all workers have ended; 0 after a stop by signal, 2 when a worker says it cannot work.

        1, and said why, when a worker did not stop as it should.
        """
        wakeup, woken = socket.socketpair()
        wakeup.setblocking(False)
        woken.setblocking(False)
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        previous_wakeup = signal.set_wakeup_fd(wakeup.fileno())
        self._selector.register(woken, selectors.EVENT_READ)
        try:
            while self._is_wanted():
                self._start_due()
                for key, _ in self._selector.select(self._patience_s()):
                    if key.data is None:
                        woken.recv(4096)
                    elif isinstance(key.data, _Slot):
                        self._read(key.data)
                    else:
                        key.data.read()
                if self._is_told:
                    self._is_told = False
                    self._stop()
                self._kill_overdue()
                for chore in self._chores:
                    chore.act()
                    if self._kill_at_s is not None:
                        # Not with the workers in _stop, which may be called before all that is ready was read.
                        chore.stop()
        finally:
            for chore in self._chores:
                chore.stop()
            signal.set_wakeup_fd(previous_wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            wakeup.close()
            woken.close()
        return self._exit_code

    def _is_wanted(self) -> bool:
        return self._kill_at_s is None or any(slot.process for slot in self._slots)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        # No more than this: it comes in the midst of anything, of starting a worker that nobody knows yet as well.
        self._is_told = True

    def _stop(self) -> None:
        if self._kill_at_s is None:
            self._kill_at_s = monotonic() + self._settings.grace_s + KILL_AFTER_GRACE_S
        for slot in self._slots:
            if slot.process:
                slot.process.send_signal(signal.SIGTERM)

    def _kill_overdue(self) -> None:
        if self._kill_at_s is not None and monotonic() >= self._kill_at_s:
            for slot in self._slots:
                if slot.process:
                    self._say(f"worker {slot.index} did not end in time and is killed")
                    slot.process.kill()
            self._exit_code = self._exit_code or 1
            self._kill_at_s = monotonic() + KILL_AFTER_GRACE_S

    def _patience_s(self) -> float | None:
        """Seconds until something is due without being told; None when nothing is."""
        due = [slot.restart_at_s for slot in self._slots if not slot.process]
        due += [chore.due_s for chore in self._chores if chore.due_s is not None]
        if self._kill_at_s is not None:
            due = [self._kill_at_s]
        return max(0.0, min(due) - monotonic()) if due else None

    def _start_due(self) -> None:
        for slot in self._slots:
            if self._kill_at_s is None and not slot.process and monotonic() >= slot.restart_at_s:
                self._start(slot)

    def _start(self, slot: _Slot) -> None:
        try:
            process = started([*self._command, str(slot.index)], self._settings)
        except OSError as error:
            slot.failures += 1
            wait_s = self._back_off(slot)
            self._say(f"worker {slot.index} cannot be started: {error.strerror or error}; next try in {wait_s:g} s")
            return
        assert process.stdout is not None
        slot.process, slot.started_s, slot.unread = process, monotonic(), b""
        self._selector.register(process.stdout, selectors.EVENT_READ, slot)

    def _read(self, slot: _Slot) -> None:
        assert slot.process is not None
        assert slot.process.stdout is not None
        received = os.read(slot.process.stdout.fileno(), 65_536)
        *lines, slot.unread = (slot.unread + received).split(b"\n")
        for line in lines:
            self._tell(slot, line.decode(errors="replace"))
        if not received:
            self._ended(slot)

    def _tell(self, slot: _Slot, line: str) -> None:
        try:
            state = json.loads(line)
            kind = state["state"]
        except (ValueError, TypeError, KeyError):
            self._say(line)
            return
        if kind == "listening" and not self._listening:
            self._listening = True
            self._say(f"listening on {self._settings.address}")
        elif kind == "serving":
            self._say(
                f"worker {slot.index} (process {slot.process.pid if slot.process else '?'}) serves {state['snapshot']}"
            )
            if self._kill_at_s is None:
                for chore in self._chores:
                    chore.want(state["snapshot"])

    def _ended(self, slot: _Slot) -> None:
        process = slot.process
        assert process is not None
        assert process.stdout is not None
        self._selector.unregister(process.stdout)
        code = exit_code(process)
        slot.process = None
        if self._kill_at_s is not None:
            if code not in STOPPED and self._exit_code != CANNOT_WORK:
                self._say(f"worker {slot.index} ended with code {code} while it was to stop")
                self._exit_code = self._exit_code or 1
            return
        # Once one has listened the settings are fine: a file that is being replaced will be readable again.
        if code == CANNOT_WORK and not self._listening:
            self._exit_code = CANNOT_WORK
            self._stop()
            return
        lived_s = monotonic() - slot.started_s
        slot.failures = 1 if lived_s >= HEALTHY_S else slot.failures + 1
        wait_s = self._back_off(slot)
        self._say(f"worker {slot.index} ended with code {code} after {lived_s:.1f} s; the next starts in {wait_s:g} s")

    @staticmethod
    def _back_off(slot: _Slot) -> float:
        """Seconds until the next start, longer from failure to failure."""
        wait_s: float = min(FIRST_RESTART_S * 2 ** (slot.failures - 1), LAST_RESTART_S)
        slot.restart_at_s = monotonic() + wait_s
        return wait_s


def reserved(host: str, port: int) -> socket.socket:
    """A socket bound to the address and never listening: it keeps the port ours while workers come and go.

    Port 0 becomes a free one. InputError when the address is unknown or someone else listens there: with SO_REUSEPORT
    alone, two servers of one user would silently share the callers.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        keeper = socket.socket(family, kind, protocol)
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        keeper.bind(address)
    except OSError as error:
        raise InputError(f"--address {host}:{port} cannot be listened on: {error.strerror or error}") from error
    return keeper
