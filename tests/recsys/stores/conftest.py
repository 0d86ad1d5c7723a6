"""The engines that every promise of a store is tested on, each real: a folder, and later a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recsys.stores.opening import open_state
from recsys.stores.protocols import State


@pytest.fixture(params=["sqlite"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What ``--state`` is given: an engine that holds nothing yet."""
    return str(tmp_path / "state")


@pytest.fixture
def opened(where: str) -> Iterator[Callable[[], State]]:
    """Opens the same store again, as another process would; all are closed in the end."""
    states: list[State] = []

    def open_again() -> State:
        states.append(open_state(where))
        return states[-1]

    yield open_again
    for state in states:
        state.close()


@pytest.fixture
def state(opened: Callable[[], State]) -> State:
    """An empty store."""
    return opened()
