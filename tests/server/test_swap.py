"""New snapshots under load: no failed call, no answer from two of them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    RecommendRequest,
    RecommendResponse,
    SimilarItemsRequest,
)
from protos.recommender.v1.recommendation_service_pb2_grpc import (
    RecommendationServiceStub,
    add_RecommendationServiceServicer_to_server,
)
from recsys.errors import NoSnapshot
from recsys.model import Snapshot
from recsys.pipeline import Pipeline
from recsys.query import Query, Recommendation
from recsys.snapshot.store import SnapshotStore
from server.clock import CLOCKS
from server.live import Live, Serving
from server.recommendation import Recommendations
from server.settings import Settings
from server.worker import Worker

N_CALLERS = 6
CALLS_AFTER_A_SWAP = 10


class Caller(threading.Thread):
    """Asks until it has seen the last version often enough; keeps what went wrong."""

    def __init__(self, channel: grpc.Channel, prefix_of: dict[str, str], last: threading.Event) -> None:
        super().__init__()
        self._stub = RecommendationServiceStub(channel)
        self._prefix_of = prefix_of
        self._last = last
        self.versions: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        n_after = 0
        while n_after < CALLS_AFTER_A_SWAP:
            n_after += self._last.is_set()
            try:
                request = RecommendRequest(user_id="user-03", page_size=10, explain="EXPLAIN_SUMMARY")
                one = self._stub.Recommend(request, timeout=30)
                batch = self._stub.BatchRecommend(BatchRecommendRequest(requests=[request] * 8), timeout=30)
            except grpc.RpcError as error:
                self.failures.append(str(error))
                continue
            self._check(one, one.snapshot_version)
            for entry in batch.responses:
                self._check(entry.response, batch.snapshot_version)

    def _check(self, response: RecommendResponse, version: str) -> None:
        self.versions.append(version)
        ids = {result.item_id for result in response.results}
        ids |= {id for result in response.results for reason in result.reasons for id in reason.item_ids}
        prefixes = {id.partition("-")[0] for id in ids}
        if response.snapshot_version != version or prefixes != {self._prefix_of[version]}:
            self.failures.append(f"{version} answered with {response.snapshot_version} and {prefixes}")


def test_two_publications_under_load_fail_no_call_and_mix_no_answer(
    tmp_path: Path, publish: Callable[..., str], settings_for: Callable[..., Settings]
) -> None:
    served: dict[str, threading.Event] = {}
    prefix_of: dict[str, str] = {}

    def told(state: dict[str, str]) -> None:
        if state["state"] == "serving":
            served.setdefault(state["snapshot"], threading.Event()).set()

    def published(seed: int) -> None:
        # The version is known only once it is published, and by then it may be serving already.
        version = publish(tmp_path, seed)
        assert served.setdefault(version, threading.Event()).wait(60)

    versions = {seed: publish(tmp_path / "known", seed) for seed in (1, 2, 3)}
    prefix_of |= {version: str(seed) for seed, version in versions.items()}
    publish(tmp_path, 1)
    worker = Worker(settings_for(tmp_path, poll_s=0.05), told)
    worker.start()
    assert served.setdefault(versions[1], threading.Event()).wait(60)
    last = threading.Event()
    with grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        callers = [Caller(channel, prefix_of, last) for _ in range(N_CALLERS)]
        for caller in callers:
            caller.start()
        published(2)
        published(3)
        last.set()
        for caller in callers:
            caller.join()
    worker.stop()

    assert [caller.failures for caller in callers] == [[]] * N_CALLERS
    assert {version for caller in callers for version in caller.versions} == set(versions.values())
    assert all(caller.versions[-1] == versions[3] for caller in callers)


@pytest.fixture
def two(tmp_path: Path, publish: Callable[..., str]) -> tuple[Serving, Serving]:
    """Two loaded snapshots; item ids begin with 1 and 2."""
    store = SnapshotStore(tmp_path)
    versions = [publish(tmp_path, seed) for seed in (1, 2)]
    old, new = (Serving.of(Snapshot.read(store.open(version)), since_s=0.0) for version in versions)
    return old, new


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Recommend", RecommendRequest(user_id="user-03", explain="EXPLAIN_SUMMARY", return_items=True)),
        ("SimilarItems", SimilarItemsRequest(item_id="1-i03", explain="EXPLAIN_SUMMARY", return_items=True)),
        ("BatchRecommend", BatchRecommendRequest(requests=[RecommendRequest(user_id="user-03")] * 100)),
    ],
)
def test_a_swap_in_the_middle_of_a_request_changes_nothing_about_its_answer(
    two: tuple[Serving, Serving], monkeypatch: pytest.MonkeyPatch, method: str, request_: Any
) -> None:
    old, new = two
    live = Live(NoSnapshot())
    live.swap(old)
    recommend_many = Pipeline.recommend_many

    def swapping(self: Pipeline, queries: Sequence[Query], *budget: Any) -> list[Recommendation]:
        live.swap(new)
        return recommend_many(self, queries, *budget)

    monkeypatch.setattr(Pipeline, "recommend_many", swapping)
    server = grpc.server(ThreadPoolExecutor(1))
    add_RecommendationServiceServicer_to_server(Recommendations(live, CLOCKS["now"]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = getattr(RecommendationServiceStub(channel), method)(request_)
    server.stop(None).wait()

    assert live.version() == new.manifest.version
    assert answer.snapshot_version == old.manifest.version
    assert set(re.findall(r"\b(\d)-i\d\d", str(answer))) == {"1"}
    assert new.manifest.version not in str(answer)
