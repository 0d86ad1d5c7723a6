"""The table from errors to statuses is total, and its statuses are well formed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from google.rpc import error_details_pb2
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from recsys import errors
from recsys.errors import (
    CurrentMoved,
    FilterError,
    InvalidRequest,
    NoSnapshot,
    NotFound,
    RecsysError,
    SchemaMismatch,
    SnapshotCorrupt,
    StoreBusy,
    Unavailable,
    Violation,
)
from server.statuses import DOMAIN, TABLE, Overloaded, RoleMissing, TokenMissing, TokenUnknown, Unfit, status_of

EXAMPLES = {
    InvalidRequest: InvalidRequest([Violation("page_size", "page_size must be at least 0, got -1")]),
    FilterError: FilterError('unknown field "prcie"', 4, hint="there are brand, price"),
    NotFound: NotFound("serving_config", "nope"),
    RoleMissing: RoleMissing("shop", "write"),
    Overloaded: Overloaded(7),
    CurrentMoved: CurrentMoved("one", "two"),
    Unfit: Unfit("one", SnapshotCorrupt("/private/path")),
}


def leaves(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for child in below:
        yield from leaves(child)


def named(status: Status) -> list[str]:
    return [detail.TypeName() for detail in status.details]


def test_every_leaf_of_the_error_tree_has_a_row() -> None:
    ours = {kind for kind in leaves(RecsysError) if kind.__module__ in (errors.__name__, "server.statuses")}

    assert ours == set(TABLE)


@pytest.mark.parametrize("kind", sorted(TABLE, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_row_has_one_error_info_and_no_detail_twice(kind: type[RecsysError]) -> None:
    status = status_of(EXAMPLES.get(kind) or kind("some /private/path"), "r1")

    names = named(status)
    assert names.count("google.rpc.ErrorInfo") == 1
    assert len(set(names)) == len(names)
    assert status.code != Code.OK
    assert "/private/path" not in str(status)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+[A-Z0-9]", info.reason)
    assert info.domain == DOMAIN


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (EXAMPLES[InvalidRequest], Code.INVALID_ARGUMENT, "google.rpc.BadRequest"),
        (EXAMPLES[FilterError], Code.INVALID_ARGUMENT, "google.rpc.BadRequest"),
        (EXAMPLES[NotFound], Code.NOT_FOUND, "google.rpc.ResourceInfo"),
        (NoSnapshot(), Code.FAILED_PRECONDITION, "google.rpc.PreconditionFailure"),
        (SnapshotCorrupt("x"), Code.FAILED_PRECONDITION, "google.rpc.PreconditionFailure"),
        (EXAMPLES[Unfit], Code.FAILED_PRECONDITION, "google.rpc.PreconditionFailure"),
        (Unfit("one", SchemaMismatch("x")), Code.FAILED_PRECONDITION, "google.rpc.PreconditionFailure"),
        (EXAMPLES[CurrentMoved], Code.ABORTED, "google.rpc.ErrorInfo"),
        (StoreBusy(), Code.ABORTED, "google.rpc.ErrorInfo"),
        (Unavailable(), Code.UNAVAILABLE, "google.rpc.RetryInfo"),
        (EXAMPLES[Overloaded], Code.RESOURCE_EXHAUSTED, "google.rpc.QuotaFailure"),
        (EXAMPLES[Overloaded], Code.RESOURCE_EXHAUSTED, "google.rpc.RetryInfo"),
        (EXAMPLES[RoleMissing], Code.PERMISSION_DENIED, "google.rpc.ErrorInfo"),
        (TokenMissing(), Code.UNAUTHENTICATED, "google.rpc.ErrorInfo"),
        (TokenUnknown(), Code.UNAUTHENTICATED, "google.rpc.ErrorInfo"),
    ],
)
def test_each_kind_has_its_code_and_its_detail(error: RecsysError, code: int, detail: str) -> None:
    status = status_of(error, "r1")

    assert status.code == code
    assert detail in named(status)


def test_an_unknown_exception_says_internal_error_and_the_request_id_alone() -> None:
    status = status_of(ZeroDivisionError("secret of user-7"), "r1")

    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    assert (status.code, status.message, len(status.details)) == (Code.INTERNAL, "internal error", 2)
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(request)
    assert (info.reason, dict(info.metadata), request.request_id) == ("INTERNAL", {}, "r1")


def test_every_variable_part_of_a_message_is_in_the_metadata() -> None:
    status = status_of(NotFound("serving_config", "nope"), "r1")

    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert status.message == "serving config 'nope' does not exist"
    assert dict(info.metadata) == {"resource_type": "serving_config", "resource_name": "nope"}


def test_a_thousand_violations_fit_into_the_trailers_and_say_how_many_are_left_out() -> None:
    violations = [Violation(f"exclude_item_ids[{i}]", f"exclude_item_ids[{i}] must be short") for i in range(1000)]

    status = status_of(InvalidRequest(violations), "r1")

    bad = error_details_pb2.BadRequest()
    assert status.details[2].Unpack(bad)
    n_listed = len(bad.field_violations) - 1
    assert bad.field_violations[-1].description == f"and {1000 - n_listed} more violations"
    # Base64 adds a third; 8 KiB is what clients accept.
    assert len(status.message) + status.ByteSize() * 4 / 3 < 8 * 1024
