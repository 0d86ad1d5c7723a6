"""Requests that are no messages: gRPC itself would answer INTERNAL and log a traceback for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError


class Undecodable:
    """Stands in for a request whose bytes cannot be decoded; ``server.calls`` refuses it with all its details."""


UNDECODABLE: Final = Undecodable()


class Decoding(grpc.ServerInterceptor):
    """Hands undecodable requests of our own services on as ``UNDECODABLE``; refuses those of others."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler, with a deserializer that never raises."""
        handler = continuation(handler_call_details)
        ours = handler_call_details.method.startswith("/recommender.v1.")
        if handler is None or handler.unary_unary is None or handler.request_deserializer is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            handler.unary_unary if ours else _refusing(handler.unary_unary),
            request_deserializer=_tolerant(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )


def _refusing(method: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    # With its attributes: one of them names the threads it runs on.
    @functools.wraps(method)
    def refusing(request: Any, context: grpc.ServicerContext) -> Any:
        if request is UNDECODABLE:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request cannot be decoded")
        return method(request, context)

    return refusing


def _tolerant(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decoded(raw: bytes) -> Any:
        try:
            return decode(raw)
        except DecodeError:
            return UNDECODABLE

    return decoded
