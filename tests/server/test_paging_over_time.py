"""Lists that go on while time passes and snapshots change: for half an hour, with the snapshot they were begun on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import (
    RecommendationServiceStub,
    add_RecommendationServiceServicer_to_server,
)
from recsys.errors import NoSnapshot
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore
from server.clock import CLOCKS
from server.live import KEPT_S, Live, Serving
from server.page_tokens import LIFETIME_S
from server.recommendation import Recommendations
from server.settings import Settings
from server.worker import Worker

from .paged import AT, ids, rows
from .tiny_shop import publish_tiny

KEY, OTHER_KEY = "5eed" * 16, "feed" * 16
INVALID, UNAVAILABLE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE


class Host:
    """A server whose snapshots and time the test changes: ``live`` and ``time``, the latter for tokens."""

    def __init__(self, key: bytes) -> None:
        self.live = Live(NoSnapshot())
        self.time = 1_000_000
        self._server = grpc.server(ThreadPoolExecutor(1))
        servicer = Recommendations(self.live, CLOCKS["now"], keys=(key,), now=lambda: self.time)
        add_RecommendationServiceServicer_to_server(servicer, self._server)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}")
        self._server.start()
        self.stub = RecommendationServiceStub(self._channel)

    def stop(self) -> None:
        self._channel.close()
        self._server.stop(None).wait()


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two servers behind one address, so to say: they share a key."""
    both = Host(b"k" * 32), Host(b"k" * 32)
    yield both
    for host in both:
        host.stop()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, Snapshot]:
    """Two snapshots; item ids begin with 1 and 2."""
    root = tmp_path_factory.mktemp("two")
    store = SnapshotStore(root)
    old, new = (Snapshot.read(store.open(publish_tiny(root, seed))) for seed in (1, 2))
    return old, new


def test_a_list_goes_on_for_half_an_hour(
    hosts: tuple[Host, Host], two: tuple[Snapshot, Snapshot], failure_of: Callable[..., Any]
) -> None:
    host, _ = hosts
    host.live.swap(Serving.of(two[0], since_s=0.0))
    first = host.stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=5, at=AT))
    host.time += LIFETIME_S

    second = host.stub.Recommend(pb.RecommendRequest(page_token=first.next_page_token))
    host.time += 1
    failure = failure_of(lambda: host.stub.Recommend(pb.RecommendRequest(page_token=first.next_page_token)))

    assert (failure.code, failure.message) == (
        INVALID,
        "page_token is 1801 s old and good for 1800 s: begin the list again",
    )
    # Each page has half an hour of its own.
    assert host.stub.Recommend(pb.RecommendRequest(page_token=second.next_page_token)).results


def test_a_list_goes_on_with_its_snapshot_after_a_swap_until_that_is_forgotten(
    hosts: tuple[Host, Host], two: tuple[Snapshot, Snapshot], failure_of: Callable[..., Any]
) -> None:
    host, _ = hosts
    old, new = two
    host.live.swap(Serving.of(old, since_s=0.0))
    whole = host.stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=60, at=AT))
    first = host.stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=20, at=AT))
    swapped_s = monotonic()
    host.live.swap(Serving.of(new, since_s=swapped_s))
    follow = pb.RecommendRequest(page_token=first.next_page_token)

    second = host.stub.Recommend(follow)
    third = host.stub.Recommend(pb.RecommendRequest(page_token=second.next_page_token))

    assert rows(first, second, third) == rows(whole)
    assert {second.snapshot_version, third.snapshot_version} == {old.version}
    batch = host.stub.BatchRecommend(pb.BatchRecommendRequest(requests=[follow, pb.RecommendRequest()]))
    refused, answered = batch.responses
    assert "a batch is answered from the one being served" in refused.status.message
    assert answered.response.snapshot_version == batch.snapshot_version == new.version

    host.time += 10
    host.live.forget(swapped_s + KEPT_S)
    failure = failure_of(lambda: host.stub.Recommend(follow))
    assert (failure.code, failure.message) == (
        INVALID,
        f"page_token belongs to snapshot {old.version}, which is no longer loaded: begin the list again",
    )


def test_a_server_that_is_slower_to_load_asks_to_be_asked_again(
    hosts: tuple[Host, Host], two: tuple[Snapshot, Snapshot], failure_of: Callable[..., Any]
) -> None:
    fast, slow = hosts
    old, new = two
    fast.live.swap(Serving.of(new, since_s=monotonic()))
    slow.live.swap(Serving.of(old, since_s=monotonic() - 60))
    token = fast.stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=5, at=AT)).next_page_token
    follow = pb.RecommendRequest(page_token=token)

    failure = failure_of(lambda: slow.stub.Recommend(follow))
    assert (failure.code, "RetryInfo" in failure.details) == (UNAVAILABLE, True)

    slow.live.swap(Serving.of(new, since_s=monotonic()))
    assert rows(slow.stub.Recommend(follow)) == rows(fast.stub.Recommend(follow))


def test_a_running_server_that_follows_a_publication_goes_on_with_the_list_begun_before(
    tmp_path: Path, settings_for: Callable[..., Settings]
) -> None:
    served: dict[str, threading.Event] = {}

    def told(state: dict[str, Any]) -> None:
        if state["state"] == "serving":
            served.setdefault(state["snapshot"], threading.Event()).set()

    old = publish_tiny(tmp_path, 1)
    worker = Worker(settings_for(tmp_path), told)
    worker.start()
    assert served.setdefault(old, threading.Event()).wait(60)
    with grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        stub = RecommendationServiceStub(channel)
        first = stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=30))
        new = publish_tiny(tmp_path, 2)
        assert served.setdefault(new, threading.Event()).wait(60)
        second = stub.Recommend(pb.RecommendRequest(page_token=first.next_page_token))
        fresh = stub.Recommend(pb.RecommendRequest(user_id="user-03"))
    worker.stop()

    assert (second.snapshot_version, fresh.snapshot_version) == (old, new)
    assert len(set(ids(first, second))) == 59
