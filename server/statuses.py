"""The total table from our errors to google.rpc.Status: code, ErrorInfo and details. Nobody else chooses a status.

Messages are composed here from an error's typed parts; the text of an exception never reaches a caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    QuotaFailure,
    RequestInfo,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status

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
    RecsysError,
    SchemaMismatch,
    SnapshotCorrupt,
    SnapshotError,
    StateUnavailable,
    StoreBusy,
    Unavailable,
    Violation,
)

DOMAIN = "tributary"
RETRY_DELAY_S = 1

# gRPC clients accept 8 KiB of trailing metadata by default, and the text travels three times (message, ErrorInfo,
# BadRequest), the details in base64 besides.
LONGEST_VIOLATIONS = 1200


class DeadlinePassed(RecsysError):
    """The caller has stopped waiting: work is not started."""


class TokenMissing(RecsysError):
    """The call carries no bearer token, or not exactly one."""


class TokenUnknown(RecsysError):
    """The call's bearer token is nobody's."""


class RoleMissing(RecsysError):
    """The token of caller ``name`` is known and does not carry ``role``."""

    def __init__(self, name: str, role: str) -> None:
        super().__init__(f"the token of {name!r} does not carry the role {role}")
        self.name = name
        self.role = role


class Overloaded(RecsysError):
    """This process has as many calls as it takes on, which are ``most`` or what it begins within ``wait_s``."""

    def __init__(self, most: int, wait_s: float | None = None) -> None:
        super().__init__(f"{most} calls are running or waiting")
        self.most = most
        self.wait_s = wait_s


class Unfit(RecsysError):
    """The snapshot ``version`` exists and cannot be served, because of ``cause``."""

    def __init__(self, version: str, cause: SnapshotError) -> None:
        super().__init__(str(cause))
        self.version = version
        self.cause = cause


class NotWritable(RecsysError):
    """This process cannot write to its folder of snapshots, so it cannot move CURRENT."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller learns of an error; ``metadata`` holds every variable part of ``message``."""

    code: int
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    details: tuple[Message, ...] = ()


def _invalid_request(error: InvalidRequest) -> Failure:
    violations = tuple(_fitting(error.violations))
    text = "; ".join(violation.description for violation in violations)
    fields = ", ".join(violation.field for violation in violations)
    details = BadRequest(
        field_violations=[BadRequest.FieldViolation(field=v.field, description=v.description) for v in violations]
    )
    return Failure(Code.INVALID_ARGUMENT, "INVALID_REQUEST", text, {"fields": fields, "violations": text}, (details,))


def _invalid_filter(error: FilterError) -> Failure:
    return _invalid_request(InvalidRequest([Violation("filter", str(error))]))


def _fitting(violations: Iterable[Violation]) -> Iterable[Violation]:
    """All violations, or as many as fit into gRPC's trailers and one that counts the rest."""
    room = LONGEST_VIOLATIONS
    all_of_them = list(violations)
    for position, violation in enumerate(all_of_them):
        room -= len((violation.field + violation.description).encode())
        if room < 0 and position:
            yield Violation(violation.field, f"and {len(all_of_them) - position} more violations")
            return
        yield violation


def _not_found(error: NotFound) -> Failure:
    return Failure(
        Code.NOT_FOUND,
        f"{error.kind.upper()}_NOT_FOUND",
        f"{error.kind.replace('_', ' ')} {error.name!r} does not exist",
        {"resource_type": error.kind, "resource_name": error.name},
        (ResourceInfo(resource_type=error.kind, resource_name=error.name, description="does not exist"),),
    )


def _precondition(reason: str, message: str) -> Callable[[Any], Failure]:
    violation = PreconditionFailure.Violation(type=reason, subject="snapshot", description=message)
    failure = Failure(Code.FAILED_PRECONDITION, reason, message, details=(PreconditionFailure(violations=[violation]),))
    return lambda _: failure


def _unfit(error: Unfit) -> Failure:
    is_mismatch = isinstance(error.cause, SchemaMismatch)
    reason = "SCHEMA_MISMATCH" if is_mismatch else "SNAPSHOT_CORRUPT"
    what = "was written for another schema" if is_mismatch else "failed verification"
    message = f"snapshot {error.version} {what}: the server's log says more"
    violation = PreconditionFailure.Violation(type=reason, subject=error.version, description=message)
    details = PreconditionFailure(violations=[violation])
    return Failure(Code.FAILED_PRECONDITION, reason, message, {"snapshot_version": error.version}, (details,))


def _store_busy(_: StoreBusy) -> Failure:
    message = "another activation, publication, rollback or pruning is under way"
    return Failure(Code.ABORTED, "ACTIVATION_RUNNING", message)


def _current_moved(error: CurrentMoved) -> Failure:
    message = f"if_current is {error.expected}, but the current snapshot is {error.current or 'none'}"
    return Failure(Code.ABORTED, "CURRENT_MOVED", message, {"if_current": error.expected, "current": error.current})


def _unavailable(_: Unavailable) -> Failure:
    return Failure(Code.UNAVAILABLE, "NOT_READY", "the server is starting or draining", details=(_retry_later(),))


def _no_state(_: NoState) -> Failure:
    message = "the server was started without a state store"
    violation = PreconditionFailure.Violation(type="NO_STATE", subject="state", description=message)
    return Failure(
        Code.FAILED_PRECONDITION, "NO_STATE", message, details=(PreconditionFailure(violations=[violation]),)
    )


def _state_unavailable(_: StateUnavailable) -> Failure:
    message = "the state store cannot be used now: nothing was acknowledged, and the same call again is harmless"
    return Failure(Code.UNAVAILABLE, "STATE_UNAVAILABLE", message, details=(_retry_later(),))


def _retry_later() -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=RETRY_DELAY_S))


def _overloaded(error: Overloaded) -> Failure:
    if error.wait_s is None:
        subject, limit = "max_concurrent", str(error.most)
        message = f"the server takes on at most {limit} calls at a time and has as many"
    else:
        subject, limit = "longest_wait_ms", f"{1e3 * error.wait_s:g}"
        message = f"the server takes on calls that it can begin within {limit} ms, and has too many for that"
    quota = QuotaFailure(violations=[QuotaFailure.Violation(subject=subject, description=message)])
    metadata = {subject: limit}
    return Failure(Code.RESOURCE_EXHAUSTED, "OVERLOADED", message, metadata, (quota, _retry_later()))


def _token_missing(_: TokenMissing) -> Failure:
    message = "the call must carry one bearer token: metadata authorization, value Bearer and the token"
    return Failure(Code.UNAUTHENTICATED, "TOKEN_MISSING", message)


def _token_unknown(_: TokenUnknown) -> Failure:
    return Failure(Code.UNAUTHENTICATED, "TOKEN_UNKNOWN", "the bearer token is not one that this server knows")


def _role_missing(error: RoleMissing) -> Failure:
    message = f"the token of {error.name!r} does not carry the role {error.role}"
    return Failure(Code.PERMISSION_DENIED, "ROLE_MISSING", message, {"name": error.name, "role": error.role})


def _deadline_passed(_: DeadlinePassed) -> Failure:
    return Failure(Code.DEADLINE_EXCEEDED, "DEADLINE_PASSED", "the deadline passed before the work was started")


def _internal(_: BaseException) -> Failure:
    return Failure(Code.INTERNAL, "INTERNAL", "internal error")


# InputError and GateFailed belong to the commands, CodeRefused to what prepares rankers; one that surfaces in a call is
# a bug like any other.
TABLE: Mapping[type[BaseException], Callable[[Any], Failure]] = {
    InputError: _internal,
    GateFailed: _internal,
    CodeRefused: _internal,
    InvalidRequest: _invalid_request,
    FilterError: _invalid_filter,
    NotFound: _not_found,
    NoSnapshot: _precondition("NO_SNAPSHOT", "no snapshot has been published yet"),
    SnapshotCorrupt: _precondition("SNAPSHOT_CORRUPT", "the published snapshot failed verification"),
    SchemaMismatch: _precondition("SCHEMA_MISMATCH", "the published snapshot was written for another schema"),
    Unfit: _unfit,
    NotWritable: _precondition("SNAPSHOTS_NOT_WRITABLE", "this server cannot write to its folder of snapshots"),
    StoreBusy: _store_busy,
    CurrentMoved: _current_moved,
    NoState: _no_state,
    StateUnavailable: _state_unavailable,
    Unavailable: _unavailable,
    DeadlinePassed: _deadline_passed,
    TokenMissing: _token_missing,
    TokenUnknown: _token_unknown,
    RoleMissing: _role_missing,
    Overloaded: _overloaded,
}


def is_expected(error: BaseException) -> bool:
    """True when ``error`` is an answer rather than a bug: no traceback is due."""
    return TABLE.get(type(error), _internal) is not _internal


def status_of(error: BaseException, request_id: str) -> Status:
    """The status for ``error``: exactly one ErrorInfo, one RequestInfo, at most one of each other detail."""
    failure = TABLE.get(type(error), _internal)(error)
    info = ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=failure.metadata)
    details: tuple[Message, ...] = (info, RequestInfo(request_id=request_id), *failure.details)
    return Status(code=failure.code, message=failure.message, details=[_packed(detail) for detail in details])


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
