"""Opening a state store by what the operator wrote: a folder, or the URL of a server."""

from __future__ import annotations

from pathlib import Path

from recsys.errors import InputError
from recsys.stores.protocols import State
from recsys.stores.sqlite.state import SqliteState


def open_state(where: str) -> State:
    """The store at ``where``: a folder (SQLite, made when missing) or ``redis://[[user]:password@]host[:port][/db]``.

    InputError for what the operator must mend, StateUnavailable where it cannot be had now.
    """
    if where.startswith(("redis://", "rediss://", "valkey://", "valkeys://")):
        raise InputError("redis:// is not built in yet")
    if "://" in where:
        raise InputError(f"--state {where.split('://')[0]}://… is neither a folder nor redis://, rediss://")
    return SqliteState(Path(where))
