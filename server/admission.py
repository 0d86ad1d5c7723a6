"""Overload is refused at once and by name, instead of queueing without bound."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from time import perf_counter
from typing import Any

import grpc

from server.calls import refusal
from server.statuses import Overloaded

# What the newest call says about how long the next ones take.
WEIGHT_OF_NEWEST = 0.05
# A queue bridges the time until another call comes. Where more than this share of the last hundred or so is refused,
# one comes at once: a queue, or more calls at a time than there are cores, would make those wait who are let in, and
# hardly more would be answered.
CROWDED_SHARE = 0.5
WEIGHT_IN_CROWD = 0.02
# Services whose calls are waiting for a disk or another machine most of the time.
STORING = tuple(f"/recommender.v1.{name}/" for name in ("EventService", "CatalogService", "UserService"))


class CallPool(ThreadPoolExecutor):
    """Threads for calls that know how many calls they have: running or waiting, abandoned ones included."""

    def __init__(self, n_threads: int, name: str = "call") -> None:
        super().__init__(n_threads, thread_name_prefix=name)
        self._idle = Condition()
        self._n_threads = n_threads
        self._usual_s = 0.0
        self.n_calls = 0

    @property
    def expected_wait_s(self) -> float:
        """Seconds that a call which comes now waits for a thread, by what calls have taken lately."""
        return max(0, self.n_calls + 1 - self._n_threads) * self._usual_s / self._n_threads

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As any pool, and counted until done: gRPC never calls the method of a caller who gave up in the queue."""
        with self._idle:
            self.n_calls += 1
        try:
            future = super().submit(self._timed, fn, *args, **kwargs)
        except BaseException:
            self._done(None)
            raise
        future.add_done_callback(self._done)
        return future

    def wait_until_idle(self, patience_s: float) -> bool:
        """Whether all calls are done, now or within ``patience_s`` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: not self.n_calls, patience_s)

    def _timed(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        started = perf_counter()
        try:
            return fn(*args, **kwargs)
        finally:
            took_s = perf_counter() - started
            with self._idle:
                self._usual_s += (took_s - self._usual_s) * (WEIGHT_OF_NEWEST if self._usual_s else 1.0)

    def _done(self, _: object) -> None:
        with self._idle:
            self.n_calls -= 1
            if not self.n_calls:
                self._idle.notify_all()


class Admission(grpc.ServerInterceptor):
    """Refuses calls of our own services while ``pool`` and ``storing`` have ``most`` of them; health is always asked.

    longest_wait_s: also while a call would probably wait for longer than that before it is begun, and, while most are
    refused, while as many run as there are ``n_cores``; None: however long · storing: threads for calls that wait for
    the state store, so that a slow one takes none of answers; None: as others.
    """

    def __init__(
        self,
        pool: CallPool,
        most: int,
        longest_wait_s: float | None = None,
        *,
        n_cores: int = 1,
        storing: CallPool | None = None,
    ) -> None:
        self._pool = pool
        self._storing = storing or pool
        self._most = most
        self._longest_wait_s = longest_wait_s
        self._n_cores = n_cores
        self._refused_share = 0.0

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method's own handler, or one that refuses. gRPC asks on one thread, so the count cannot overshoot."""
        method = handler_call_details.method
        if not method.startswith("/recommender.v1."):
            return continuation(handler_call_details)
        pool = self._storing if method.startswith(STORING) else self._pool
        if sum(one.n_calls for one in {self._pool, self._storing}) >= self._most:
            return refusal(method, Overloaded(self._most))
        if self._longest_wait_s is not None and (wait_s := self._too_long(pool, self._longest_wait_s)) is not None:
            return refusal(method, Overloaded(self._most, wait_s))
        handler = continuation(handler_call_details)
        return handler if handler is None or pool is self._pool else _on(pool, handler)

    def _too_long(self, pool: CallPool, longest_wait_s: float) -> float | None:
        """The wait (seconds) that a call now would exceed on ``pool``; None for one that is let in."""
        if pool is not self._pool:
            return longest_wait_s if pool.expected_wait_s > longest_wait_s else None
        is_crowded = self._refused_share > CROWDED_SHARE
        is_refused = pool.n_calls >= self._n_cores if is_crowded else pool.expected_wait_s > longest_wait_s
        self._refused_share += (is_refused - self._refused_share) * WEIGHT_IN_CROWD
        if not is_refused:
            return None
        return 0.0 if is_crowded else longest_wait_s


def _on(pool: CallPool, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
    """``handler`` on the threads of ``pool``."""
    method = handler.unary_unary
    if method is None:
        return handler

    def on_pool(request: Any, context: grpc.ServicerContext) -> Any:
        return method(request, context)

    on_pool.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return grpc.unary_unary_rpc_method_handler(
        on_pool,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
