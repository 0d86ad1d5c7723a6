"""One thread that writes for all: what waits while a commit is on its way to the disk shares the next one.

A commit that is really on disk costs some 4 ms, whether it carries one change or a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

from recsys.errors import StateUnavailable
from recsys.stores.sqlite.connection import UNAVAILABLE, Connection, available, opened

T = TypeVar("T")
# What a change returned, or its error.
_Outcome = tuple[Any, Exception | None]

# How long a change may take, its wait for its turn included: a busy disk stalls for seconds now and then.
WAIT_S = 10.0
_MOST_A_COMMIT = 256
# However large the changes are: those that wait for the first of them, and other processes, should not for long.
_LONGEST_COMMIT_S = 0.25
_MOST_WAITING = 4_096


@dataclass(frozen=True, slots=True)
class _Change:
    """alone: outside a transaction, when what came before is committed."""

    make: Callable[[Connection], Any]
    alone: bool = False
    done: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """Makes changes of all threads in turn, many in one transaction; one that fails takes no other with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: Queue[_Change | None] = Queue(_MOST_WAITING)
        self._closed = False
        # The mark of the end was read: what is still in the queue is the last.
        self._ending = False
        self._thread = Thread(target=self._run, name="state writer", daemon=True)
        self._thread.start()

    def __call__(self, make: Callable[[Connection], T], *, alone: bool = False) -> T:
        """What ``make`` returns, once it is on disk; its error, or StateUnavailable, and then nothing of it is kept.

        Only where the wait has ended before the change did, it may still be kept.
        """
        change = _Change(make, alone)
        self._put(change)
        try:
            return change.done.result(WAIT_S)  # type: ignore[no-any-return]
        except FutureTimeout as error:
            change.done.cancel()
            raise StateUnavailable(f"{self._path}: no commit within {WAIT_S:g} s") from error

    def soon(self, make: Callable[[Connection], object]) -> None:
        """Make a change without waiting for it; it is lost where it fails, or where too many wait."""
        with suppress(Full):
            self._waiting.put_nowait(_Change(make))

    @property
    def n_waiting(self) -> int:
        """About how many changes wait for their turn."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Commit what waits, and end."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _put(self, change: _Change) -> None:
        if self._closed:
            raise StateUnavailable(f"{self._path}: closed")
        try:
            self._waiting.put(change, timeout=WAIT_S)
        except Full as error:
            raise StateUnavailable(f"{self._path}: {_MOST_WAITING} changes are waiting") from error

    def _run(self) -> None:
        connection: Connection | None = None
        group = self._next([])
        while group:
            outcomes: list[_Outcome]
            try:
                with available(self._path):
                    connection = connection or opened(self._path)
                    outcomes = _commit(connection, group)
            # Whatever it is, those who wait must hear of it and the next group be served.
            except Exception as error:  # noqa: BLE001
                outcomes = [(None, error)] * len(group)
                # The next group opens the file anew: it may have been put back, or the disk mounted again.
                if connection is not None:
                    connection.close(True)
                    connection = None
            # Those that were put off have no outcome yet.
            for change, (value, failure) in zip(group, outcomes, strict=False):
                if failure is None:
                    change.done.set_result(value)
                else:
                    change.done.set_exception(failure)
            group = self._next(group[len(outcomes) :])
        if connection is not None:
            connection.close(True)

    def _next(self, put_off: list[_Change]) -> list[_Change]:
        """What to commit next, what was put off before all else; nothing at the end."""
        group = put_off
        while len(group) < _MOST_A_COMMIT:
            try:
                change = self._waiting.get(block=not group and not self._ending)
            except Empty:
                break
            if change is None:
                self._ending = True
                continue
            # Whoever gave up waiting asked for nothing.
            if change.done.set_running_or_notify_cancel():
                group.append(change)
        return group


def _commit(connection: Connection, group: Sequence[_Change]) -> list[_Outcome]:
    """What came of the first changes, all that succeeded committed; the others must be put off."""
    if group[0].alone:
        return [(group[0].make(connection), None)]
    outcomes: list[_Outcome] = []
    until = monotonic() + _LONGEST_COMMIT_S
    connection.execute("BEGIN IMMEDIATE")
    try:
        for change in group:
            if change.alone or (outcomes and monotonic() > until):
                break
            outcomes.append(_made(connection, change))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _made(connection: Connection, change: _Change) -> _Outcome:
    connection.execute("SAVEPOINT change")
    try:
        value = change.make(connection)
    # One change's fault must not be the others'.
    except Exception as error:
        # A full or failing disk may have rolled back everything.
        if not connection.in_transaction or isinstance(error, UNAVAILABLE):
            raise
        connection.execute("ROLLBACK TO change")
        connection.execute("RELEASE change")
        return None, error
    connection.execute("RELEASE change")
    return value, None
