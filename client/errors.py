"""The one exception of the client, read from the google.rpc.Status that the server sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Detail = TypeVar("Detail", bound=Message)


class Violation(NamedTuple):
    """One thing wrong with a request: the dotted path of the field, and a sentence."""

    field: str
    description: str


class ClientError(Exception):
    """A call failed. The gRPC error is its ``__cause__``, where there was one.

    code: gRPC's status code · reason: UPPER_SNAKE_CASE, for programs; empty when no server answered ·
    message: one sentence · metadata: every variable part of the message · violations: all that is wrong with the
    request · retry_after_s: how long the server asks to wait, None when it does not say · request_id: names the call in
    the server's log, empty when no server answered.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str = "",
        message: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after_s: float | None = None,
        request_id: str = "",
    ) -> None:
        # All of them, or the error could not be pickled and would not survive a process pool.
        super().__init__(code, reason, message, dict(metadata or {}), tuple(violations), retry_after_s, request_id)
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{' '.join(filter(None, (self.code.name, self.reason)))}: {self.message}"


def error_of_status(status: Status) -> ClientError:
    """The error that ``status`` stands for; details it cannot read are left out. For the entries of a batch."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = _detail(status, ErrorInfo) or ErrorInfo()
    retry = _detail(status, RetryInfo)
    return ClientError(
        code,
        info.reason,
        status.message,
        info.metadata,
        [Violation(v.field, v.description) for v in (_detail(status, BadRequest) or BadRequest()).field_violations],
        None if retry is None else retry.retry_delay.ToTimedelta().total_seconds(),
        (_detail(status, RequestInfo) or RequestInfo()).request_id,
    )


def error_of_call(error: grpc.Call | grpc.aio.AioRpcError) -> ClientError:
    """The error of a call that failed, whether the server, a proxy or gRPC itself failed it."""
    try:
        status = rpc_status.from_call(error)
    # A proxy may have put its own code over the server's, or something unreadable: then its code is what there is.
    except (ValueError, DecodeError):
        status = None
    if status is None:
        return ClientError(error.code(), message=error.details() or "")
    return error_of_status(status)


def _detail(status: Status, kind: type[Detail]) -> Detail | None:
    message = kind()
    for packed in status.details:
        try:
            if packed.Unpack(message):
                return message
        except DecodeError:
            continue
    return None
