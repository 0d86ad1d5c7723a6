"""A real ``recsys-server`` for benchmarks: started as an operator would, its worker processes known by id."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import perf_counter

from recsys.compiled.toolchain import why_not
from recsys.snapshot.store import SnapshotStore
from server.settings import parse

START_LIMIT_S = 120.0
STOP_LIMIT_S = 60.0
_SERVES = re.compile(r"worker \d+ \(process (\d+)\) serves (\S+)")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """target: HOST:PORT · workers: process ids · version: the snapshot · start_s: until every worker was SERVING · log:
    file of its structured log.
    """

    target: str
    workers: tuple[int, ...]
    version: str
    start_s: float
    log: Path

    def logged(self, event: str) -> Iterator[dict[str, object]]:
        """The records of ``event`` so far, oldest first."""
        with self.log.open() as lines:
            for line in lines:
                # Others may write to the same file, or be in the midst of a line.
                if event in line and line.startswith("{") and line.endswith("}\n"):
                    yield json.loads(line)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in bytes; rss counts shared pages whole, pss divides them among those who share."""

    rss_bytes: int
    pss_bytes: int

    @classmethod
    def of(cls, process: int) -> Memory:
        """As the kernel says now (Linux)."""
        return cls(
            _kilobytes(f"/proc/{process}/status", "VmRSS") * 1024,
            _kilobytes(f"/proc/{process}/smaps_rollup", "Pss") * 1024,
        )


@contextmanager
def running_server(
    snapshots: Path, *, n_workers: int = 1, python: str = sys.executable, flags: Sequence[str] = ()
) -> Iterator[RunningServer]:
    """A server with ``flags`` that serves already, its rankers compiled beforehand; stopped afterwards.

    RuntimeError with its log when it does not get there.
    """
    _compile_rankers(snapshots, python)
    command = [python, "-m", "server.cli", "--snapshots", str(snapshots), "--address", "127.0.0.1:0"]
    command += ["--clock", "snapshot", "--workers", str(n_workers), *flags]
    with tempfile.NamedTemporaryFile("w+") as log:
        started = perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        overdue = Timer(START_LIMIT_S, process.kill)
        overdue.start()
        try:
            assert process.stdout is not None
            target, workers, version = "", [], ""
            for line in process.stdout:
                if line.startswith("listening on "):
                    target = line.split()[-1]
                elif found := _SERVES.match(line):
                    workers.append(int(found[1]))
                    version = found[2]
                if len(workers) == n_workers:
                    break
            else:
                log.seek(0)
                raise RuntimeError(f"the server did not start; it said:\n{log.read()}")
            overdue.cancel()
            yield RunningServer(target, tuple(workers), version, perf_counter() - started, Path(log.name))
        finally:
            overdue.cancel()
            process.terminate()
            try:
                process.communicate(timeout=STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _compile_rankers(snapshots: Path, python: str) -> None:
    """Fill the cache that the server will look into, so that no compilation runs while something is measured."""
    settings = parse(["--snapshots", str(snapshots)], os.environ)
    if settings.compiled_cache is not None and not why_not():
        command = [python, "-m", "server.compile_rankers", SnapshotStore(snapshots).current()]
        # Kept open: the end of its input means to it that its parent died.
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            process.stdin.write(settings.to_json() + "\n")
            process.stdin.flush()
            process.wait()


def _kilobytes(path: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(path).read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{path} has no {field}")
    return int(found[1])
