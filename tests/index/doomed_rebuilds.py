"""Runs rebuilds that are killed, each in a fork of a process that has imported most of what they need and done no more.

Run as a program it reads a line of JSON for each, ``{"words": [...], "after_stages": n}`` or ``{"words": [...],
"at_change": n, "root": …}``, and answers with one, ``{"status": …, "told": [...]}``: the exit code, negative a signal,
and the lines on standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Nine tenths of the time that imports take. Not Polars: it starts threads of its own, which a fork would be without.
IMPORTED = ("recsys.model", "implicit.cpu.als", "sklearn.linear_model", "rich.progress", "rich.table")


class DoomedRebuilds:
    """The process, for tests: ``with DoomedRebuilds() as doomed``."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.communicate(timeout=60)

    def killed_after(self, n_stages: int, words: list[str]) -> list[str]:
        """Run a rebuild and SIGKILL it when it has told of that many stages; the stages it told of, all if it ended."""
        told = self._run({"words": words, "after_stages": n_stages})["told"]
        return [line.removeprefix("stage ") for line in told if is_stage(line)]

    def killed_at(self, n_changes: int, root: Path, words: list[str]) -> tuple[int, str]:
        """Run a rebuild that is killed, as by kill -9, just before the n-th change of a name under ``root``.

        Returns its exit code, negative a signal, and what it said.
        """
        answer = self._run({"words": words, "at_change": n_changes, "root": str(root)})
        return answer["status"], "".join(answer["told"])

    def _run(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def is_stage(line: str) -> bool:
    return line.startswith("stage ") and " done in " in line


def die_before_change(n: int, root: str) -> None:
    left = n

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if (event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir") and root in map(str, arguments[:1])) or (
            event == "os.rename" and str(arguments[0]).startswith(root)
        ):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def rebuild(order: dict[str, Any], errors: int) -> None:
    """In the child: become a rebuild whose standard error is ``errors``."""
    from index.cli import main

    nothing = os.open(os.devnull, os.O_RDWR)
    for handle, target in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(handle, target)
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if "at_change" in order:
        die_before_change(order["at_change"], order["root"])
    code = main(order["words"])
    sys.stderr.flush()
    os._exit(code)


def run(order: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            rebuild(order, writing)
        finally:
            os._exit(70)
    os.close(writing)
    told: list[str] = []
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            told.append(line)
            if sum(map(is_stage, told)) == order.get("after_stages"):
                break
        if "after_stages" in order:
            os.kill(child, signal.SIGKILL)
    return {"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "told": told}


def serve() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
