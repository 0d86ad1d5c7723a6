"""Around every call: unknown errors stay inside, dead callers are not worked for, logs name nobody."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import (
    GetServingRequest,
    GetServingResponse,
    ListUserIdsRequest,
    ListUserIdsResponse,
)
from protos.recommender.v1.snapshot_service_pb2_grpc import (
    SnapshotServiceServicer,
    SnapshotServiceStub,
    add_SnapshotServiceServicer_to_server,
)
from server.calls import Call, rpc
from server.log import JsonLines


class Faulty(SnapshotServiceServicer):
    """GetServing waits until it is released; ListUserIds has a bug."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.n_entered = 0

    @rpc
    def GetServing(self, request: GetServingRequest, call: Call) -> GetServingResponse:
        self.n_entered += 1
        self.entered.set()
        assert self.release.wait(30)
        return GetServingResponse()

    @rpc
    def ListUserIds(self, request: ListUserIdsRequest, call: Call) -> ListUserIdsResponse:
        raise KeyError("user-42 is secret")


@contextmanager
def serving(servicer: Faulty) -> Iterator[SnapshotServiceStub]:
    server = grpc.server(ThreadPoolExecutor(1))
    add_SnapshotServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield SnapshotServiceStub(channel)
    server.stop(None).wait()


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    formatter = JsonLines(worker=0)
    return [json.loads(formatter.format(record)) for record in caplog.records if record.name.startswith("server")]


def test_a_bug_reaches_the_caller_as_internal_error_and_the_log_with_its_traceback(
    failure_of: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), serving(Faulty()) as stub:
        failure = failure_of(lambda: stub.ListUserIds(ListUserIdsRequest()))

    (line,) = lines(caplog)
    assert failure.code is grpc.StatusCode.INTERNAL
    assert failure.message == "internal error"
    assert "user-42" not in str(failure.details)
    assert failure.details["RequestInfo"].request_id == line["request_id"]
    assert (line["code"], line["level"], line["error"]) == ("INTERNAL", "ERROR", "KeyError")
    assert "in ListUserIds" in line["traceback"]


def test_a_call_whose_deadline_passed_in_the_queue_is_never_started() -> None:
    servicer = Faulty()
    with serving(servicer) as stub:
        first = stub.GetServing.future(GetServingRequest(), timeout=30)
        assert servicer.entered.wait(30)
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetServing(GetServingRequest(), timeout=0.1)
        servicer.release.set()
        first.result()
        # The pool has one thread: when this comes back, it has been through the dead call.
        with pytest.raises(grpc.RpcError):
            stub.ListUserIds(ListUserIdsRequest(), timeout=30)

    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert servicer.n_entered == 1


def test_a_request_is_one_line_with_stages_and_labels_and_without_the_user(
    channel: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    stub = RecommendationServiceStub(channel)
    request = pb.RecommendRequest(user_id="user-03", visitor_id="cookie-77", labels={"page": "start"}, page_size=4)
    request.platform = "mini-program"
    with caplog.at_level(logging.INFO):
        response = stub.Recommend(request)
        stub.BatchRecommend(pb.BatchRecommendRequest(requests=[request, request]))
        with pytest.raises(grpc.RpcError):
            stub.Recommend(pb.RecommendRequest(user_id="user-03", page_size=-1))

    one, batch, refused = lines(caplog)
    assert (one["method"], one["code"], one["n_results"], one["user_known"]) == ("Recommend", "OK", 4, True)
    assert (one["request_id"], one["snapshot"]) == (response.request_id, response.snapshot_version)
    assert (one["serving_config"], one["labels"], one["platform"]) == ("home", {"page": "start"}, "mini-program")
    assert {"retrieve", "features", "rank"} <= set(one["stages"])
    assert all(stage["ms"] >= 0 for stage in one["stages"].values())
    assert (batch["n_requests"], batch["n_results"], batch["n_users_known"]) == (2, 8, 2)
    assert (refused["code"], refused["error"]) == ("INVALID_ARGUMENT", "InvalidRequest")
    assert not any(secret in json.dumps(lines(caplog)) for secret in ("user-03", "cookie-77"))
