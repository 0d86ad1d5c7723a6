"""What a caller learns of a failure."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from client import Client, ClientError, Violation
from client.errors import error_of_status

from .scripted import Scripted, status_of


def failure(client: Client) -> ClientError:
    with pytest.raises(ClientError) as raised:
        client.get_serving()
    return raised.value


def test_a_refusal_names_every_violation_and_the_call(target: str) -> None:
    with Client(target) as client, pytest.raises(ClientError) as raised:
        client.recommend(page_size=-1, user_id="u" * 129)

    error = raised.value
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert {violation.field for violation in error.violations} == {"page_size", "user_id"}
    assert "page_size must be at least 0, got -1" in error.message
    assert error.metadata["violations"] == error.message
    assert len(error.request_id) == 32
    assert error.retry_after_s is None
    assert isinstance(error.__cause__, grpc.RpcError)
    assert str(error) == f"INVALID_ARGUMENT INVALID_REQUEST: {error.message}"


def test_variable_parts_of_a_message_are_metadata(target: str) -> None:
    with Client(target) as client, pytest.raises(ClientError) as raised:
        client.similar_items(item_id="no-such-item")

    assert (raised.value.code, raised.value.reason) == (grpc.StatusCode.NOT_FOUND, "ITEM_NOT_FOUND")
    assert raised.value.metadata == {"resource_type": "item", "resource_name": "no-such-item"}


def test_the_server_says_how_long_to_wait(address: str, scripted: Scripted) -> None:
    delay = RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    scripted.failures = [status_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", [ErrorInfo(reason="FULL"), delay])]
    with Client(address) as client:
        error = failure(client)

    assert (error.code, error.reason, error.message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL", "full")
    assert error.retry_after_s == 1.5


def test_a_wait_of_nothing_is_not_the_same_as_no_word_about_it() -> None:
    assert error_of_status(status_of(grpc.StatusCode.UNAVAILABLE, "", [RetryInfo()])).retry_after_s == 0.0
    assert error_of_status(status_of(grpc.StatusCode.UNAVAILABLE)).retry_after_s is None


def test_a_status_without_details_is_an_error_all_the_same(address: str, scripted: Scripted) -> None:
    scripted.failures = [status_of(grpc.StatusCode.INTERNAL, "internal error")]
    with Client(address) as client:
        error = failure(client)

    assert (error.code, error.reason, error.message) == (grpc.StatusCode.INTERNAL, "", "internal error")
    assert (error.metadata, error.violations, error.retry_after_s, error.request_id) == ({}, (), None, "")


def test_nobody_listening_is_unavailable_without_a_reason() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(ClientError) as raised:
        client.check_health(timeout_s=30)

    error = raised.value
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "")
    assert error.message


@pytest.mark.parametrize("trailer", [b"\xff\xff", Status(code=5, message="other").SerializeToString()])
def test_a_trailer_that_is_unreadable_or_contradicts_the_code_is_left_aside(trailer: bytes) -> None:
    def fail(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-status-details-bin", trailer),))
        context.abort(grpc.StatusCode.INTERNAL, "from a proxy")
        raise AssertionError("abort raises")

    handler = grpc.method_handlers_generic_handler(
        "recommender.v1.SnapshotService", {"GetServing": grpc.unary_unary_rpc_method_handler(fail)}
    )
    server = grpc.server(ThreadPoolExecutor(1), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}") as client:
        error = failure(client)
    server.stop(None).wait()

    assert (error.code, error.message) == (grpc.StatusCode.INTERNAL, "from a proxy")


def test_details_that_are_unreadable_or_unknown_do_not_hide_the_others() -> None:
    status = status_of(grpc.StatusCode.ABORTED, "again", [Duration(), RequestInfo(request_id="r")])
    status.details.append(AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff"))

    error = error_of_status(status)

    assert (error.code, error.reason, error.request_id) == (grpc.StatusCode.ABORTED, "", "r")


def test_a_code_that_grpc_does_not_know_is_unknown() -> None:
    assert error_of_status(Status(code=99, message="odd")).code is grpc.StatusCode.UNKNOWN


def test_an_error_survives_a_process_pool() -> None:
    violation = BadRequest.FieldViolation(field="user_id", description="too long")
    details = [
        ErrorInfo(reason="INVALID_REQUEST", metadata={"fields": "user_id"}),
        BadRequest(field_violations=[violation]),
        RetryInfo(retry_delay=Duration(seconds=2)),
        RequestInfo(request_id="r"),
    ]
    error = error_of_status(status_of(grpc.StatusCode.INVALID_ARGUMENT, "too long", details))

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert vars(copy) == vars(error)
    assert copy.violations == (Violation("user_id", "too long"),)
    assert str(copy) == str(error)
