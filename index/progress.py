"""Progress of long commands: bars with time left for a person, plain lines for a log, and a record of every stage."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What a stage took: seconds, the process's peak resident bytes at its end, rows it went through (0 untold)."""

    name: str
    seconds: float
    peak_bytes: int
    n_rows: int


# So long a stage may be silent where there are no bars.
LONGEST_SILENCE_S = 60.0


class Step:
    """A running stage. ``advance`` moves its bar and counts rows.

    say: told how many rows are done, at most once in LONGEST_SILENCE_S; for where there is no bar.
    """

    def __init__(
        self, progress: Progress | None, task: TaskID | None, say: Callable[[int], None] | None = None
    ) -> None:
        self._progress, self._task, self._say = progress, task, say
        self._said = time.perf_counter()
        self.n_rows = 0

    def advance(self, n_rows: int = 1) -> None:
        """``n_rows`` more are done."""
        self.n_rows += n_rows
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, n_rows)
        elif self._say is not None and time.perf_counter() - self._said >= LONGEST_SILENCE_S:
            self._said = time.perf_counter()
            self._say(self.n_rows)


class OpenStage(Protocol):
    """``Stages.stage``, or what stands for it where nobody watches."""

    def __call__(self, name: str, *, total: int | None = None) -> AbstractContextManager[Step]:
        """A running stage of ``total`` rows."""


@contextmanager
def unseen(name: str, *, total: int | None = None) -> Iterator[Step]:
    """A stage that nobody is shown."""
    yield Step(None, None)


class Stages:
    """The stages of one command, in a ``with`` block.

    console: None = standard error, so that a command's own output can be piped away. Bars appear only on a terminal;
    elsewhere each stage is one line when it ends, and one a minute while it lasts. ``records``: finished stages in the
    order they ended, failed ones left out.
    """

    def __init__(self, *, console: Console | None = None) -> None:
        self.console = Console(stderr=True) if console is None else console
        self.records: list[StageRecord] = []
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._progress = Progress(
                SpinnerColumn(finished_text="✓"),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[rows]}", markup=False),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    @contextmanager
    def stage(self, name: str, *, total: int | None = None) -> Iterator[Step]:
        """A stage named ``name`` of ``total`` rows (None unknown: a bar that only moves). Stages may be nested."""
        task = None if self._progress is None else self._progress.add_task(name, total=total, rows="")
        of_all = "" if total is None else f" of {total:,}"
        step = Step(self._progress, task, lambda n: self._line(f"stage {name} goes on: {n:,}{of_all} so far"))
        started = time.perf_counter()
        try:
            yield step
        except BaseException:
            if self._progress is not None and task is not None:
                self._progress.stop_task(task)
            self._line(f"stage {name} failed after {time.perf_counter() - started:.1f} s")
            raise
        record = StageRecord(name, time.perf_counter() - started, peak_bytes(), step.n_rows)
        self.records.append(record)
        rows = f" ({record.n_rows:,} rows)" if record.n_rows else ""
        if self._progress is None:
            self._line(f"stage {name} done in {record.seconds:.1f} s{rows}")
        elif task is not None:
            done = max(step.n_rows, 1)
            self._progress.update(task, total=done, completed=done, rows=rows.strip(" ()"))

    def print(self, sentence: str) -> None:
        """A line of its own, above the bars."""
        self._line(sentence)

    def summary(self) -> Table:
        """The finished stages as a table: seconds, peak memory, rows."""
        table = Table("stage", title="Stages", title_justify="left")
        for heading in ("seconds", "peak MB", "rows"):
            table.add_column(heading, justify="right")
        for record in self.records:
            rows = f"{record.n_rows:,}" if record.n_rows else ""
            table.add_row(record.name, f"{record.seconds:.1f}", f"{record.peak_bytes / 1e6:,.0f}", rows)
        return table

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def peak_bytes() -> int:
    """The most resident memory this process has had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
