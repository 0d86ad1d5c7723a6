"""A server that fails as it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True)
class Received:
    """A call as the scripted server saw it."""

    method: str
    request: bytes
    metadata: dict[str, str | bytes]
    remaining_s: float | None


@dataclass(slots=True)
class Scripted(grpc.GenericRpcHandler):
    """Answers any method: first with ``failures``, one a call, then with ``answers``, then with empty messages."""

    failures: list[Status] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            metadata = dict(context.invocation_metadata())
            self.received.append(Received(details.method, request, metadata, context.time_remaining()))
            if self.failures:
                context.abort_with_status(rpc_status.to_status(self.failures.pop(0)))
            return self.answers.pop(0).SerializeToString() if self.answers else b""

        return grpc.unary_unary_rpc_method_handler(answer)


def status_of(code: grpc.StatusCode, message: str = "told to fail", details: Sequence[Message] = ()) -> Status:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    return Status(code=code.value[0], message=message, details=packed)
