"""One server process: health, reflection, what it says before anything is published, what it imports."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    RecommendRequest,
    SimilarItemsRequest,
)
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import GetServingRequest, ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.query import Hits, Query
from recsys.sources.popular import Popular
from server.settings import Settings
from server.standard_services import SERVICES
from server.worker import Worker

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
EVERYTHING = ("", *SERVICES)


def health(channel: grpc.Channel) -> dict[str, int]:
    stub = HealthStub(channel)
    return {name: stub.Check(HealthCheckRequest(service=name)).status for name in EVERYTHING}


def service_names(channel: grpc.Channel) -> set[str]:
    (answer,) = ServerReflectionStub(channel).ServerReflectionInfo(iter([ServerReflectionRequest(list_services="")]))
    return {service.name for service in answer.list_services_response.service}


def test_health_serves_by_service_and_as_a_whole(channel: grpc.Channel) -> None:
    assert health(channel) == dict.fromkeys(EVERYTHING, SERVING)


def test_an_unknown_service_has_no_health(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        HealthStub(channel).Check(HealthCheckRequest(service="other"))

    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_our_services_and_finds_their_schema(channel: grpc.Channel) -> None:
    assert set(SERVICES) <= service_names(channel)

    ask = ServerReflectionRequest(file_containing_symbol="recommender.v1.RecommendResponse")
    (answer,) = ServerReflectionStub(channel).ServerReflectionInfo(iter([ask]))
    assert answer.file_descriptor_response.file_descriptor_proto


def test_open_reflection_streams_leave_the_calls_their_threads(channel: grpc.Channel) -> None:
    end = threading.Event()

    def questions() -> Iterator[ServerReflectionRequest]:
        yield ServerReflectionRequest(list_services="")
        end.wait(60)

    streams = [ServerReflectionStub(channel).ServerReflectionInfo(questions()) for _ in range(8)]
    next(streams[0])

    assert RecommendationServiceStub(channel).Recommend(RecommendRequest(), timeout=10).results
    end.set()
    for stream in streams:
        stream.cancel()


def test_without_reflection_the_schema_is_not_told(snapshots: Path, serve: Callable[..., grpc.Channel]) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        service_names(serve(snapshots, reflection=False))

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_before_the_first_publication_it_is_up_not_serving_and_every_call_is_a_failed_precondition(
    tmp_path: Path, serve: Callable[..., grpc.Channel], failure_of: Callable[..., Any]
) -> None:
    channel = serve(tmp_path / "not-there-yet")
    recommendations, snapshots = RecommendationServiceStub(channel), SnapshotServiceStub(channel)

    assert health(channel) == dict.fromkeys(EVERYTHING, NOT_SERVING)
    for call in (
        lambda: recommendations.Recommend(RecommendRequest()),
        lambda: recommendations.BatchRecommend(BatchRecommendRequest()),
        lambda: recommendations.SimilarItems(SimilarItemsRequest(item_id="x")),
        lambda: snapshots.GetServing(GetServingRequest()),
        lambda: snapshots.ListUserIds(ListUserIdsRequest()),
    ):
        failure = failure_of(call)
        assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
        assert failure.message == "no snapshot has been published yet"
        assert failure.details["PreconditionFailure"].violations[0].type == "NO_SNAPSHOT"


def test_a_watched_health_turns_to_serving_with_the_first_publication_and_back_at_the_end(
    tmp_path: Path, publish: Callable[..., str], settings_for: Callable[..., Settings]
) -> None:
    worker = Worker(settings_for(tmp_path), lambda _: None)
    worker.start()
    with grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        watched = HealthStub(channel).Watch(HealthCheckRequest(service=SERVICES[0]), timeout=60)
        assert next(watched).status == NOT_SERVING
        publish(tmp_path)
        assert next(watched).status == SERVING
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        assert next(watched).status == NOT_SERVING
        watched.cancel()
        stopping.join()


def test_stopping_tells_health_first_and_lets_a_running_call_finish(
    snapshots: Path, settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, entered, release = threading.Event(), threading.Event(), threading.Event()
    worker = Worker(settings_for(snapshots, grace_s=60), lambda state: serving.set() if "snapshot" in state else None)
    worker.start()
    assert serving.wait(60)
    retrieve = Popular.retrieve

    def slow(self: Popular, query: Query, k: int) -> Hits:
        entered.set()
        assert release.wait(60)
        return retrieve(self, query, k)

    monkeypatch.setattr(Popular, "retrieve", slow)
    with grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        watched = HealthStub(channel).Watch(HealthCheckRequest(), timeout=60)
        assert next(watched).status == SERVING
        running = RecommendationServiceStub(channel).Recommend.future(RecommendRequest(user_id="user-03"), timeout=60)
        assert entered.wait(60)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        assert next(watched).status == NOT_SERVING
        assert stopping.is_alive()
        # Health knows a moment earlier than the port, and gRPC cancels what comes at that very moment, or lets it wait
        # for the end of what is running.
        ask = SnapshotServiceStub(channel).GetServing
        codes = (ask.future(GetServingRequest(), timeout=5).code() for _ in range(10_000))
        soon = {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert next(code for code in codes if code not in soon) is grpc.StatusCode.UNAVAILABLE
        release.set()
        assert len(running.result().results) == 20
        watched.cancel()
        stopping.join()


def test_a_call_that_outlasts_the_grace_is_named_and_not_waited_for(
    snapshots: Path, settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, entered, release = threading.Event(), threading.Event(), threading.Event()
    worker = Worker(settings_for(snapshots, grace_s=0), lambda state: serving.set() if "snapshot" in state else None)
    worker.start()
    assert serving.wait(60)
    retrieve = Popular.retrieve

    def slow(self: Popular, query: Query, k: int) -> Hits:
        entered.set()
        assert release.wait(60)
        return retrieve(self, query, k)

    monkeypatch.setattr(Popular, "retrieve", slow)
    with grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        running = RecommendationServiceStub(channel).Recommend.future(RecommendRequest(user_id="user-03"), timeout=60)
        assert entered.wait(60)
        assert worker.stop() == ["calls"]
        assert running.exception(60) is not None
    release.set()
    assert worker.stop() == []


def test_a_message_beyond_four_mebibytes_is_refused_before_any_work(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        RecommendationServiceStub(channel).Recommend(RecommendRequest(user_id="x" * 5_000_000))

    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def imported_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return {name.partition(".")[0] for name in output.split()}


def test_a_worker_imports_nothing_that_belongs_to_the_rebuild_or_the_clients() -> None:
    modules = imported_by("import server.worker")

    assert {"grpc", "faiss"} <= modules
    assert not modules & {"torch", "polars", "sentence_transformers", "implicit", "index"}


def test_pandas_pyarrow_and_rich_come_only_through_lightgbm() -> None:
    # LightGBM imports them itself where they are installed; ours must not. A stand-in for it shows whose they are.
    blocked = "import types; sys.modules['lightgbm'] = types.ModuleType('lightgbm'); import server.worker"

    assert not imported_by(blocked) & {"pandas", "pyarrow", "sklearn", "rich"}


def test_the_supervisor_imports_no_grpc_and_no_arrays() -> None:
    assert not imported_by("import server.cli") & {"grpc", "numpy", "faiss", "lightgbm", "google"}
