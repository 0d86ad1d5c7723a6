"""Servers to call: the real one on a tiny snapshot, and one that fails as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import grpc
import pytest

from server.settings import Settings
from server.worker import Worker
from tests.server.tiny_shop import publish_tiny

from .scripted import Scripted


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def address(scripted: Scripted) -> Iterator[str]:
    """HOST:PORT of the server that does what ``scripted`` says."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[scripted])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a worker in this process that serves a tiny snapshot already, with a state store."""
    root = tmp_path_factory.mktemp("snapshots")
    publish_tiny(root)
    serving = Event()
    settings = Settings(
        snapshots=root,
        host="127.0.0.1",
        port=0,
        poll_s=0.05,
        grace_s=5.0,
        clock="snapshot",
        reflection=True,
        state=str(tmp_path_factory.mktemp("state")),
    )
    worker = Worker(settings, lambda state: serving.set() if state["state"] == "serving" else None)
    worker.start()
    assert serving.wait(30)
    yield f"127.0.0.1:{worker.port}"
    worker.stop()
