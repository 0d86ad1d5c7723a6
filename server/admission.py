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


class CallPool(ThreadPoolExecutor):
    """Threads for calls that know how many calls they have: running or waiting, abandoned ones included."""

    def __init__(self, n_threads: int) -> None:
        super().__init__(n_threads, thread_name_prefix="call")
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
    """Refuses calls of our own services while ``pool`` has ``most`` of them; health is always asked.

    longest_wait_s: also while a call would probably wait for longer than that before it is begun; None: however long.
    """

    def __init__(self, pool: CallPool, most: int, longest_wait_s: float | None = None) -> None:
        self._pool = pool
        self._most = most
        self._longest_wait_s = longest_wait_s

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method's own handler, or one that refuses. gRPC asks on one thread, so the count cannot overshoot."""
        method = handler_call_details.method
        if method.startswith("/recommender.v1."):
            if self._pool.n_calls >= self._most:
                return refusal(method, Overloaded(self._most))
            if self._longest_wait_s is not None and self._pool.expected_wait_s > self._longest_wait_s:
                return refusal(method, Overloaded(self._most, self._longest_wait_s))
        return continuation(handler_call_details)
