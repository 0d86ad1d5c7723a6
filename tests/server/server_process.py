"""A running recsys-server of its own process, for tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "server.cli"]
PATIENCE_S = 60


class Server:
    """A running recsys-server and what it printed."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self.errors = folder / "stderr"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "--address", "127.0.0.1:0", "--compiled-cache", "off", *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        self.lines: list[str] = []

    def until(self, pattern: str) -> re.Match[str]:
        """The first coming line of output that matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"{pattern} never came: {self.lines} {self.errors.read_text()}")

    def served(self) -> int:
        """The process id of the next worker that begins to serve."""
        return int(self.until(r"\(process (\d+)\) serves")[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code after a signal; what it said goes to the test's output when that is not 0."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        if code:
            assert self.process.stdout is not None
            print(self.process.stdout.read(), self.errors.read_text(), sep="")
        return code
