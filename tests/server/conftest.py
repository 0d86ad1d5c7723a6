"""A tiny shop written and published by the real store, so that the server's tests need no rebuild."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore
from server.settings import Settings
from server.worker import Worker

from .stateful import TOKEN_KEY, Shop, Shops
from .tiny_shop import publish_tiny, tiny_snapshot
from .workers import Workers

Publish = Callable[..., str]


class Failure(NamedTuple):
    """How a call failed; details by the name of their type."""

    code: grpc.StatusCode
    message: str
    details: dict[str, Any]


@pytest.fixture(autouse=True, scope="module")
def descriptors() -> Iterator[None]:
    """Workers of a module are let go after it: a snapshot maps some 80 files, and systems may allow 1,024."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def publish() -> Publish:
    """``publish(root, seed=1, ranked=False)``: publishes another tiny snapshot, returns its version."""
    return publish_tiny


@pytest.fixture(scope="session")
def tiny() -> Callable[[int], Snapshot]:
    """``tiny(seed)``: the snapshot that ``publish`` writes, in memory."""
    return tiny_snapshot


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one published snapshot, seed 1; not to be changed."""
    root = tmp_path_factory.mktemp("snapshots")
    publish_tiny(root)
    return root


@pytest.fixture(scope="session")
def failure_of() -> Callable[[Callable[[], object]], Failure]:
    """``failure_of(call)``: the status that a call fails with, its details unpacked."""

    def failure(call: Callable[[], object]) -> Failure:
        with pytest.raises(grpc.RpcError) as raised:
            call()
        status = rpc_status.from_call(raised.value)
        assert status is not None
        unpacked = []
        for detail in status.details:
            message = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])()
            assert detail.Unpack(message)
            unpacked.append(message)
        return Failure(raised.value.code(), status.message, {type(detail).__name__: detail for detail in unpacked})

    return failure


@pytest.fixture(scope="session")
def settings_for() -> Callable[..., Settings]:
    """``settings_for(root, **changes)``: settings of an in-process worker at a free port."""

    def settings(root: Path, **changes: object) -> Settings:
        plain = Settings(snapshots=root, host="127.0.0.1", port=0, poll_s=0.05, grace_s=5.0, clock="snapshot")
        return replace(plain, **changes)  # type: ignore[arg-type]

    return settings


@pytest.fixture
def listen(settings_for: Callable[..., Settings]) -> Iterator[Callable[..., str]]:
    """``listen(root, **settings)``: HOST:PORT of a worker in this process, once it serves; ends with the test."""
    workers = []

    def started(root: Path, **changes: object) -> str:
        serving = threading.Event()
        worker = Worker(
            settings_for(root, **changes), lambda state: serving.set() if state["state"] == "serving" else None
        )
        worker.start()
        workers.append(worker)
        assert serving.wait(60)
        return f"127.0.0.1:{worker.port}"

    yield started
    for worker in workers:
        worker.stop()


@pytest.fixture
def serve(settings_for: Callable[..., Settings]) -> Iterator[Callable[..., grpc.Channel]]:
    """``serve(root, **settings)``: a channel to a worker in this process; ends with the test."""
    workers, channels = [], []

    def started(root: Path, **changes: object) -> grpc.Channel:
        worker = Worker(settings_for(root, **changes), lambda _: None)
        worker.start()
        channel = grpc.insecure_channel(f"127.0.0.1:{worker.port}")
        workers.append(worker)
        channels.append(channel)
        return channel

    yield started
    for channel in channels:
        channel.close()
    for worker in workers:
        worker.stop()


@pytest.fixture
def shop(snapshots: Path, settings_for: Callable[..., Settings], tmp_path: Path) -> Iterator[Shops]:
    """``shop(root=snapshots, **settings)``: two workers that serve ``root`` and share a new state folder."""
    workers = Workers()

    def started(root: Path = snapshots, **changes: object) -> Shop:
        settings = settings_for(root, state=str(tmp_path / "state"), token_key=TOKEN_KEY, **changes)
        running = Shop(workers, settings)
        assert workers.wait_until_all_serve(SnapshotStore(root).current())
        return running

    yield started
    workers.stop()


@pytest.fixture(scope="module")
def target(snapshots: Path, settings_for: Callable[..., Settings]) -> Iterator[str]:
    """HOST:PORT of a worker that serves ``snapshots`` already; shared by the tests of a module."""
    serving = threading.Event()
    worker = Worker(settings_for(snapshots), lambda state: serving.set() if state["state"] == "serving" else None)
    worker.start()
    assert serving.wait(30)
    yield f"127.0.0.1:{worker.port}"
    worker.stop()


@pytest.fixture(scope="module")
def channel(target: str) -> Iterator[grpc.Channel]:
    """A channel to ``target``."""
    with grpc.insecure_channel(target) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> RecommendationServiceStub:
    return RecommendationServiceStub(channel)
