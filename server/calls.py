"""Around every call: request id, deadline, status of a failure, one log line. The only place that aborts."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from time import perf_counter
from typing import Any, TypeVar

import grpc
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from recsys.errors import InvalidRequest, RecsysError, Violation
from recsys.query import Recommendation
from server.decoding import UNDECODABLE
from server.statuses import DeadlinePassed, is_expected, status_of

LOG = logging.getLogger(__name__)

# gRPC gives a call without a deadline one of 292 billion years.
FARTHEST_DEADLINE_S = 3600.0
# Whose token the call under way came with; None while the server asks for none.
CALLER: ContextVar[str | None] = ContextVar("caller", default=None)
# Refusals never wait behind the calls whose number they are about.
_REFUSALS = ThreadPoolExecutor(1, thread_name_prefix="refusal")

Servicer = TypeVar("Servicer")
Request = TypeVar("Request")
Response = TypeVar("Response")


class Call:
    """One call under way: its id, its caller's patience, and what its log line will say."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context
        self.request_id = secrets.token_hex(16)
        caller = CALLER.get()
        self.fields: dict[str, object] = {} if caller is None else {"caller": caller}

    def metadata(self, key: str) -> str:
        """What the caller sent as metadata ``key``, several values joined by commas as HTTP joins them; "" for none."""
        return ",".join(str(value) for name, value in self._context.invocation_metadata() or () if name == key)

    def note(self, **fields: object) -> None:
        """Add ``fields`` to the log line. Never a user id."""
        self.fields.update(fields)

    def note_stages(self, recommendations: Iterable[Recommendation]) -> None:
        """Add counts and milliseconds by stage, summed over ``recommendations``."""
        stages: dict[str, dict[str, float]] = {}
        for recommendation in recommendations:
            for stage in recommendation.stages:
                sums = stages.setdefault(stage.name, {"n": 0, "ms": 0.0})
                sums["n"] += stage.count
                sums["ms"] += stage.seconds * 1e3
        for sums in stages.values():
            sums["ms"] = round(sums["ms"], 3)
        self.note(stages=stages)

    @property
    def left_s(self) -> float | None:
        """Seconds until the caller stops waiting; None when that is no matter: no deadline, or one an hour away."""
        remaining_s = self._context.time_remaining()
        return None if remaining_s is None or remaining_s > FARTHEST_DEADLINE_S else remaining_s

    def check_deadline(self) -> None:
        """DeadlinePassed when nobody waits for the answer any more."""
        remaining_s = self._context.time_remaining()
        if not self._context.is_active() or (remaining_s is not None and remaining_s <= 0):
            raise DeadlinePassed


def rpc(
    method: Callable[[Servicer, Request, Call], Response],
) -> Callable[[Servicer, Request, grpc.ServicerContext], Response]:
    """``method`` as gRPC calls it: errors become statuses by the one table, and the call becomes one log line."""

    @functools.wraps(method)
    def handled(self: Servicer, request: Request, context: grpc.ServicerContext) -> Response:
        started = perf_counter()
        call = Call(context)
        try:
            # The pool's queue may have outlasted the caller's patience.
            call.check_deadline()
            if request is UNDECODABLE:
                raise InvalidRequest([Violation("request", "the request must be a message of the method's type")])
            response = method(self, request, call)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happened becomes a status and a log line
            failure = error
        else:
            _log(method.__name__, call, started, Code.OK)
            return response
        status = status_of(failure, call.request_id)
        _log(method.__name__, call, started, status.code, failure)
        _abort(context, status)
        raise AssertionError("abort raises")

    return handled


def refusal(method: str, error: RecsysError) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler that fails with ``error`` in place of ``method`` (``/package.Service/Method``).

    It never reads the request, so it stands in for methods of every kind, and costs no memory for a large one.
    """

    def refused(_: object, context: grpc.ServicerContext) -> None:
        started = perf_counter()
        call = Call(context)
        status = status_of(error, call.request_id)
        _log(method.rpartition("/")[2], call, started, status.code, error)
        _abort(context, status)

    refused.experimental_thread_pool = _REFUSALS  # type: ignore[attr-defined]
    # The kind whose method is called before any request has arrived.
    return grpc.stream_unary_rpc_method_handler(refused)


def _abort(context: grpc.ServicerContext, status: Status) -> None:
    # Raises a bare Exception that gRPC itself recognises; so it must stay outside of every try.
    context.abort_with_status(rpc_status.to_status(status))


def _log(method: str, call: Call, started: float, code: int, failure: Exception | None = None) -> None:
    fields = {
        "request_id": call.request_id,
        "method": method,
        "code": Code.Name(code),
        "ms": round((perf_counter() - started) * 1e3, 3),
        **call.fields,
    }
    if failure is None:
        LOG.info("request", extra={"fields": fields})
    elif is_expected(failure):
        LOG.info("request", extra={"fields": fields | {"error": type(failure).__name__}})
    else:
        LOG.error("request", extra={"fields": fields | {"error": type(failure).__name__}}, exc_info=failure)
