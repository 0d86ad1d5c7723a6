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
    scheme, is_url, _ = where.partition("://")
    if is_url and scheme not in ("redis", "rediss"):
        raise InputError(f"--state {scheme}://… is neither a folder nor redis://, rediss://")
    if is_url:
        # Only who has state in Redis needs its client.
        from recsys.stores.redis.state import RedisState

        return RedisState(where)
    return SqliteState(Path(where))
