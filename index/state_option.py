"""The flag ``--state`` of commands that read or write live state."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import InputError

if TYPE_CHECKING:
    from index.progress import Stages
    from index.state_tables import StateTables
    from recsys.stores.protocols import State


def add_state(parser: argparse.ArgumentParser, about: str, *, required: bool = False) -> None:
    """Add the flag that ``opened`` and ``state_tables`` read."""
    parser.add_argument("--state", metavar="DIR|redis://…", required=required, help=about)


@contextmanager
def opened(where: str, *, make: bool = False) -> Iterator[State]:
    """The state store at ``where``, closed afterwards; ``make``: a folder that does not exist is begun.

    InputError when there is none, StateUnavailable when it is down.
    """
    from recsys.stores.opening import open_state

    # A misspelled folder would be an empty state.
    if not make and "://" not in where and not Path(where).is_dir():
        raise InputError(f"state folder {where} does not exist")
    state = open_state(where)
    try:
        yield state
    finally:
        state.close()


def state_tables(arguments: argparse.Namespace, stages: Stages) -> StateTables | None:
    """What the store that ``--state`` names holds; None without the flag."""
    if arguments.state is None:
        return None
    from index.state_tables import StateTables

    with stages.stage("read the state") as step, opened(arguments.state) as state:
        return StateTables.read(state, step.advance)
