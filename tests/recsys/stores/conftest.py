"""The engines that every promise of a store is tested on, each real: a folder, and a Valkey server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from recsys.stores.opening import open_state
from recsys.stores.protocols import State

from .running_valkey import RunningValkey


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValkey]:
    """A server that syncs its append-only file before it replies, for tests that leave it running."""
    with RunningValkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture(params=["sqlite", "valkey"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What ``--state`` is given: an engine that holds nothing yet."""
    if request.param == "sqlite":
        return str(tmp_path / "state")
    running: RunningValkey = request.getfixturevalue("valkey")
    with redis.Redis.from_url(running.url) as client:
        client.flushall()
    return running.url


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
