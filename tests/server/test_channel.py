"""How our clients call: UNAVAILABLE is tried again, nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from client.service_config import timeout_s
from protos.recommender.v1.snapshot_service_pb2 import GetServingRequest, GetServingResponse
from protos.recommender.v1.snapshot_service_pb2_grpc import (
    SnapshotServiceServicer,
    SnapshotServiceStub,
    add_SnapshotServiceServicer_to_server,
)
from recsys.errors import InputError, NoSnapshot, RecsysError, Unavailable
from server.calls import Call, rpc
from server.channel import connect, sentence_of, timestamp_of_iso


class Failing(SnapshotServiceServicer):
    """Fails with the errors it is given, one a call, then answers."""

    def __init__(self) -> None:
        self.errors: list[RecsysError] = []
        self.left_s: list[float | None] = []
        self.n_calls = 0

    @rpc
    def GetServing(self, request: GetServingRequest, call: Call) -> GetServingResponse:
        self.n_calls += 1
        self.left_s.append(call.left_s)
        if self.errors:
            raise self.errors.pop()
        return GetServingResponse(snapshot_version="v")


@pytest.fixture
def failing() -> Iterator[tuple[Failing, Callable[..., GetServingResponse]]]:
    servicer = Failing()
    server = grpc.server(ThreadPoolExecutor(2))
    add_SnapshotServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with connect(f"127.0.0.1:{port}") as channel:
        stub = SnapshotServiceStub(channel)
        yield servicer, lambda **given: stub.GetServing(GetServingRequest(), **given)
    server.stop(None).wait()


def test_unavailable_is_tried_again_without_the_caller_noticing(
    failing: tuple[Failing, Callable[..., GetServingResponse]],
) -> None:
    servicer, call = failing
    servicer.errors = [Unavailable(), Unavailable()]

    assert call().snapshot_version == "v"
    assert servicer.n_calls == 3


def test_any_other_failure_is_final(failing: tuple[Failing, Callable[..., GetServingResponse]]) -> None:
    servicer, call = failing
    servicer.errors = [NoSnapshot()]

    with pytest.raises(grpc.RpcError) as raised:
        call()

    assert servicer.n_calls == 1
    assert sentence_of(raised.value, "there") == "there answers FAILED_PRECONDITION: no snapshot has been published yet"


def test_a_call_has_the_whole_deadline_of_the_client_package_or_its_own_even_a_longer_one(
    failing: tuple[Failing, Callable[..., GetServingResponse]],
) -> None:
    servicer, call = failing
    of_file = timeout_s("recommender.v1.SnapshotService", "GetServing")

    call()
    call(timeout=50 * of_file)

    first, second = servicer.left_s
    # gRPC would leave about half of it if it took the deadline from the file itself, and would cut a longer one to it.
    assert first is not None
    assert second is not None
    assert 0.8 * of_file < first <= 1.02 * of_file
    assert 45 * of_file < second


def test_nobody_listening_is_one_sentence_with_the_address() -> None:
    with connect("127.0.0.1:1") as channel, pytest.raises(grpc.RpcError) as raised:
        SnapshotServiceStub(channel).GetServing(GetServingRequest())

    assert sentence_of(raised.value, "127.0.0.1:1").startswith("no server is ready at 127.0.0.1:1: ")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86_400),
        ("1970-01-01T01:00:00Z", 3_600),
        ("1970-01-01T01:00:00", 3_600),
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)
def test_times_without_a_zone_are_utc(text: str, seconds: int) -> None:
    assert timestamp_of_iso(text).seconds == seconds


@pytest.mark.parametrize("text", ["tomorrow", "", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--at must be an ISO 8601 time"):
        timestamp_of_iso(text)
