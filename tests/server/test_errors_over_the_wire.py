"""Every row of the table from errors to statuses, as a client sees it over a real connection, details parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from protos.recommender.v1.snapshot_service_pb2 import GetServingRequest, GetServingResponse
from protos.recommender.v1.snapshot_service_pb2_grpc import (
    SnapshotServiceServicer,
    SnapshotServiceStub,
    add_SnapshotServiceServicer_to_server,
)
from recsys.errors import (
    CodeRefused,
    CurrentMoved,
    FilterError,
    GateFailed,
    InputError,
    InvalidRequest,
    NoSnapshot,
    NoState,
    NotFound,
    SchemaMismatch,
    SnapshotCorrupt,
    StateUnavailable,
    StoreBusy,
    Unavailable,
    Violation,
)
from server.calls import Call, rpc
from server.statuses import (
    DOMAIN,
    TABLE,
    DeadlinePassed,
    NotWritable,
    Overloaded,
    RoleMissing,
    TokenMissing,
    TokenUnknown,
    Unfit,
)

SECRET = "/private/path of user-42"
# error · code · reason · details beside ErrorInfo and RequestInfo · metadata, every variable part of the message
ROWS: list[tuple[BaseException, str, str, set[str], dict[str, str]]] = [
    (
        InvalidRequest([Violation("page_size", "page_size: a"), Violation("filter", "filter: b")]),
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        {"BadRequest"},
        {"fields": "page_size, filter", "violations": "page_size: a; filter: b"},
    ),
    (
        FilterError("unknown field", 4),
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        {"BadRequest"},
        {"fields": "filter", "violations": "unknown field at position 4"},
    ),
    *(
        (
            NotFound(kind, "茶"),
            "NOT_FOUND",
            f"{kind.upper()}_NOT_FOUND",
            {"ResourceInfo"},
            {"resource_type": kind, "resource_name": "茶"},
        )
        for kind in ("serving_config", "item", "snapshot")
    ),
    (NoSnapshot(), "FAILED_PRECONDITION", "NO_SNAPSHOT", {"PreconditionFailure"}, {}),
    (SnapshotCorrupt(SECRET), "FAILED_PRECONDITION", "SNAPSHOT_CORRUPT", {"PreconditionFailure"}, {}),
    (SchemaMismatch(SECRET), "FAILED_PRECONDITION", "SCHEMA_MISMATCH", {"PreconditionFailure"}, {}),
    (
        Unfit("v1", SchemaMismatch(SECRET)),
        "FAILED_PRECONDITION",
        "SCHEMA_MISMATCH",
        {"PreconditionFailure"},
        {"snapshot_version": "v1"},
    ),
    (NotWritable(SECRET), "FAILED_PRECONDITION", "SNAPSHOTS_NOT_WRITABLE", {"PreconditionFailure"}, {}),
    (StoreBusy(SECRET), "ABORTED", "ACTIVATION_RUNNING", set(), {}),
    (CurrentMoved("v1", "v2"), "ABORTED", "CURRENT_MOVED", set(), {"if_current": "v1", "current": "v2"}),
    (Overloaded(7), "RESOURCE_EXHAUSTED", "OVERLOADED", {"QuotaFailure", "RetryInfo"}, {"max_concurrent": "7"}),
    (
        Overloaded(7, 0.02),
        "RESOURCE_EXHAUSTED",
        "OVERLOADED",
        {"QuotaFailure", "RetryInfo"},
        {"longest_wait_ms": "20"},
    ),
    (NoState(SECRET), "FAILED_PRECONDITION", "NO_STATE", {"PreconditionFailure"}, {}),
    (StateUnavailable(SECRET), "UNAVAILABLE", "STATE_UNAVAILABLE", {"RetryInfo"}, {}),
    (Unavailable(), "UNAVAILABLE", "NOT_READY", {"RetryInfo"}, {}),
    (TokenMissing(), "UNAUTHENTICATED", "TOKEN_MISSING", set(), {}),
    (TokenUnknown(), "UNAUTHENTICATED", "TOKEN_UNKNOWN", set(), {}),
    (RoleMissing("shop", "admin"), "PERMISSION_DENIED", "ROLE_MISSING", set(), {"name": "shop", "role": "admin"}),
    (DeadlinePassed(), "DEADLINE_EXCEEDED", "DEADLINE_PASSED", set(), {}),
    *(
        (error, "INTERNAL", "INTERNAL", set(), {})
        for error in (InputError(SECRET), GateFailed(SECRET), CodeRefused(SECRET), ZeroDivisionError(SECRET))
    ),
]


class Failing(SnapshotServiceServicer):
    """Fails with ``error``."""

    error: BaseException

    @rpc
    def GetServing(self, request: GetServingRequest, call: Call) -> GetServingResponse:
        raise self.error


@pytest.fixture(scope="module")
def failing() -> Iterator[tuple[Failing, SnapshotServiceStub]]:
    servicer = Failing()
    server = grpc.server(ThreadPoolExecutor(1))
    add_SnapshotServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, SnapshotServiceStub(channel)
    server.stop(None).wait()


@pytest.mark.parametrize(
    ("error", "code", "reason", "details", "metadata"), ROWS, ids=lambda value: type(value).__name__
)
def test_a_client_sees(
    failing: tuple[Failing, SnapshotServiceStub],
    failure_of: Callable[..., Any],
    error: BaseException,
    code: str,
    reason: str,
    details: set[str],
    metadata: dict[str, str],
) -> None:
    servicer, stub = failing
    servicer.error = error

    failure = failure_of(lambda: stub.GetServing(GetServingRequest()))

    info = failure.details["ErrorInfo"]
    assert (failure.code.name, info.reason, info.domain) == (code, reason, DOMAIN)
    assert set(failure.details) == {"ErrorInfo", "RequestInfo", *details}
    assert dict(info.metadata) == metadata
    assert failure.message
    assert SECRET not in f"{failure.message} {failure.details}"
    assert failure.details["RequestInfo"].request_id
    if "RetryInfo" in details:
        assert failure.details["RetryInfo"].retry_delay.seconds >= 1
    if "BadRequest" in details:
        assert [v.field for v in failure.details["BadRequest"].field_violations] == metadata["fields"].split(", ")


def test_no_row_of_the_table_is_left_out() -> None:
    assert {type(error) for error, *_ in ROWS} - {ZeroDivisionError} == set(TABLE)
