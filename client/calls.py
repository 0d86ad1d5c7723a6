"""One RPC as a method of a client: a message or its fields in, the response out, every failure a ClientError."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar, overload

import grpc
from google.protobuf.message import Message

from client.errors import error_of_call
from client.service_config import timeout_s

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Metadata = Sequence[tuple[str, str | bytes]]


class BlockingCall(Generic[Request, Response]):
    """An RPC that waits for its response. Safe to call from several threads."""

    def __init__(self, rpc: Rpc[Request, Response], channel: grpc.Channel, timeout_s: float, ready: bool) -> None:
        self._rpc = rpc
        self._timeout_s = timeout_s
        self._ready = ready
        self._multicallable = channel.unary_unary(rpc.path, rpc.serialise, rpc.parse)

    def __call__(
        self,
        request: Request | None = None,
        /,
        *,
        timeout_s: float | None = None,
        metadata: Metadata = (),
        **fields: Any,
    ) -> Response:
        """The response to ``request``, or to a request of ``fields``; within ``timeout_s``, retries included.

        ClientError when the call fails, ValueError for a field that the request lacks or a time not above 0.
        """
        message = self._rpc.message(request, fields)
        seconds = checked(self._timeout_s if timeout_s is None else timeout_s)
        try:
            return self._multicallable(message, timeout=seconds, metadata=tuple(metadata), wait_for_ready=self._ready)
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call):
                raise
            raise error_of_call(error) from error


class AwaitableCall(Generic[Request, Response]):
    """An RPC to be awaited on the event loop that the client was made on."""

    def __init__(self, rpc: Rpc[Request, Response], channel: grpc.aio.Channel, timeout_s: float, ready: bool) -> None:
        self._rpc = rpc
        self._timeout_s = timeout_s
        self._ready = ready
        self._multicallable = channel.unary_unary(rpc.path, rpc.serialise, rpc.parse)

    async def __call__(
        self,
        request: Request | None = None,
        /,
        *,
        timeout_s: float | None = None,
        metadata: Metadata = (),
        **fields: Any,
    ) -> Response:
        """As BlockingCall."""
        message = self._rpc.message(request, fields)
        seconds = checked(self._timeout_s if timeout_s is None else timeout_s)
        try:
            return await self._multicallable(
                message, timeout=seconds, metadata=tuple(metadata), wait_for_ready=self._ready
            )
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error) from error


class Blocking:
    """What has an RPC as a BlockingCall."""

    calls: Mapping[str, BlockingCall[Any, Any]]


class Awaiting:
    """What has an RPC as an AwaitableCall."""

    calls: Mapping[str, AwaitableCall[Any, Any]]


class Rpc(Generic[Request, Response]):
    """A unary method of a service, as an attribute of both kinds of client.

    LookupError when service_config.json has no deadline for it.
    """

    def __init__(self, service: str, method: str, request: type[Request], response: type[Response]) -> None:
        self.path = f"/{service}/{method}"
        self.timeout_s = timeout_s(service, method)
        self.request = request
        self.response = response
        self.serialise: Callable[[Request], bytes] = request.SerializeToString
        self.parse: Callable[[bytes], Response] = response.FromString

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, client: Blocking, owner: type) -> BlockingCall[Request, Response]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> AwaitableCall[Request, Response]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type) -> Any:
        return self if client is None else client.calls[self.name]

    def message(self, request: Request | None, fields: Mapping[str, Any]) -> Request:
        """``request``, or one made of ``fields``. TypeError when both are given."""
        if request is None:
            return self.request(**fields)
        if fields:
            raise TypeError(f"{self.name} takes a request or its fields, not both")
        return request


def checked(timeout_s: float) -> float:
    """``timeout_s``; ValueError unless it is a finite time above 0: every call has a deadline."""
    if not (math.isfinite(timeout_s) and timeout_s > 0):
        raise ValueError(f"a timeout must be finite and above 0 seconds, got {timeout_s}")
    return timeout_s
