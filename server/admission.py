"""Overload is refused at once and by name, instead of queueing without bound."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import grpc

from server.calls import refusal
from server.statuses import Overloaded


class CallPool(ThreadPoolExecutor):
    """Threads for calls that know how many calls they have: running or waiting, abandoned ones included."""

    def __init__(self, n_threads: int) -> None:
        super().__init__(n_threads, thread_name_prefix="call")
        self._lock = Lock()
        self.n_calls = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As any pool, and counted until done: gRPC never calls the method of a caller who gave up in the queue."""
        with self._lock:
            self.n_calls += 1
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:
            self._done(None)
            raise
        future.add_done_callback(self._done)
        return future

    def _done(self, _: object) -> None:
        with self._lock:
            self.n_calls -= 1


class Admission(grpc.ServerInterceptor):
    """Refuses calls of our own services while ``pool`` has ``most`` of them; health is always asked."""

    def __init__(self, pool: CallPool, most: int) -> None:
        self._pool = pool
        self._most = most

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method's own handler, or one that refuses. gRPC asks on one thread, so the count cannot overshoot."""
        method = handler_call_details.method
        if self._pool.n_calls >= self._most and method.startswith("/recommender.v1."):
            return refusal(method, Overloaded(self._most))
        return continuation(handler_call_details)
