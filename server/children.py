"""Both ends of the pipe between the supervisor and its processes: settings go down it, its end means death."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from recsys.errors import InputError
from server.settings import Settings

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


def started(command: Sequence[str], settings: Settings) -> subprocess.Popen[bytes]:
    """A process that gets ``settings`` on its standard input, which stays open, and whose output is to be read."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
    assert process.stdin is not None
    # A process that is dead already says so in a moment, by the end of its output.
    with suppress(BrokenPipeError):
        # By standard input and not as an argument: process lists show arguments, and settings hold a key.
        process.stdin.write(settings.to_json().encode() + b"\n")
        process.stdin.flush()
    return process


def exit_code(process: subprocess.Popen[bytes]) -> int:
    """Close both pipes of a process that has ended or is about to, and wait for its exit code."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    process.stdin.close()
    return process.wait()


def settings_from_parent(module: str) -> Settings:
    """In such a process: its settings. InputError, naming its ``module``, when nobody sends any."""
    # Read byte by byte from the descriptor: a buffered reader's lock, held by the waiting thread, aborts the exit.
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 1)
        if not more:
            raise InputError(f"{module} is started by recsys-server, not by hand")
        line += more
    return Settings.from_json(line.decode())


def when_parent_ends(act: Callable[[], None]) -> None:
    """In such a process: call ``act``, on a thread of its own, once the parent is gone, however it died."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        act()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
