"""Every error this project raises on purpose.

    RecsysError
    ├── InputError            data or configuration the operator must mend (commands exit 2)
    ├── GateFailed            a rebuilt snapshot is not fit to serve (commands exit 3)
    ├── InvalidRequest        a caller's request breaks rules; carries every violation
    ├── FilterError           a filter that cannot be read, or does not fit the items' fields; carries the position
    ├── NotFound              a named thing does not exist (item, serving config, snapshot)
    ├── SnapshotError
    │   ├── NoSnapshot        nothing has been published yet
    │   ├── SnapshotCorrupt   a file is missing, altered, truncated or wrongly signed
    │   └── SchemaMismatch    written by code with another schema or other features
    ├── StoreBusy             another process, or call, is changing which snapshot is current
    ├── CurrentMoved          the current snapshot is not the one that the caller took it for
    ├── CodeRefused           machine code of a forest that must not run; LightGBM scores instead
    ├── NoState               the process was started without a state store
    ├── StateUnavailable      the state store is down, full or slow; what was to be written need not have been kept
    └── Unavailable           not now: starting or draining

``server.statuses`` maps each leaf to one gRPC status; a test holds that table total.
Messages say what, the value and the allowed range, in one sentence without a full stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class RecsysError(Exception):
    """Root of the tree; never raised itself."""


class InputError(RecsysError):
    """Bad tables or configuration: one clear sentence for the operator."""


class GateFailed(RecsysError):
    """One or more gates refused the new snapshot; the message names them."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a request: ``field`` is a dotted proto path, ``description`` what was expected."""

    field: str
    description: str


class InvalidRequest(RecsysError):
    """A request breaks rules. ``violations`` holds all of them, not just the first."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(violation.description for violation in violations))
        self.violations = tuple(violations)

    def below(self, path: str) -> InvalidRequest:
        """The same for a request that is field ``path`` of another one."""
        return InvalidRequest([Violation(f"{path}.{broken.field}", broken.description) for broken in self.violations])


class FilterError(RecsysError):
    """A filter says ``problem`` at ``position`` (characters from 0); ``hint`` says what would do.

    All parts are fit for the caller. Who knows the request's field makes ``Violation(field, str(error))`` of it.
    """

    def __init__(self, problem: str, position: int, *, hint: str = "") -> None:
        super().__init__(f"{problem} at position {position}" + (f"; {hint}" if hint else ""))
        self.problem = problem
        self.position = position
        self.hint = hint


class NotFound(RecsysError):
    """``kind`` (item, serving_config, snapshot) named ``name`` does not exist."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind.replace('_', ' ')} {name!r} does not exist")
        self.kind = kind
        self.name = name


class SnapshotError(RecsysError):
    """Root of what can be wrong with a snapshot; never raised itself."""


class NoSnapshot(SnapshotError):
    """Nothing has been published under the snapshot folder yet."""


class SnapshotCorrupt(SnapshotError):
    """The snapshot's files are not those its manifest vouches for; the message names the file."""


class SchemaMismatch(SnapshotError):
    """The snapshot was written for another schema or feature list than this code has."""


class StoreBusy(RecsysError):
    """A publication, a rollback or a pruning is under way: the same wish may be fulfilled later."""


class CurrentMoved(RecsysError):
    """The version ``current`` ("" for none) is published and not ``expected``: somebody else was faster."""

    def __init__(self, expected: str, current: str) -> None:
        super().__init__(f"the current snapshot is {current or 'none'}, not {expected}")
        self.expected = expected
        self.current = current


class CodeRefused(RecsysError):
    """A forest's machine code cannot be made, is not what was made, or lies where others could have changed it."""


class NoState(RecsysError):
    """What is asked for takes a state store, and the process was started without one."""


class StateUnavailable(RecsysError):
    """The state store cannot be read or written now; the message, for the log, says why."""


class Unavailable(RecsysError):
    """The process is starting or draining: the same call may succeed elsewhere or later."""
