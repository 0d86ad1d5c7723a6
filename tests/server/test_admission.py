"""Overload: what is too much is refused at once, with reasons, and leaves no trace in the count."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.query import Hits, Query
from recsys.sources.popular import Popular
from server.admission import Admission, CallPool
from server.worker import threads_of

MOST = threads_of(1) + 2
LONG_S = 60


class Busy:
    """A server that takes on MOST calls, whose calls do not end before ``release`` is set."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.stub = RecommendationServiceStub(channel)
        self.entered, self.release = threading.Semaphore(0), threading.Event()

    def fill(self) -> list[Any]:
        """As many calls as the server takes on; its threads are at work on the first of them."""
        self.release.clear()
        calls = [self.call() for _ in range(MOST)]
        for _ in range(threads_of(1)):
            assert self.entered.acquire(timeout=LONG_S)
        return calls

    def hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on calls do not end before ``release`` is set."""
        self.release.clear()
        retrieve = Popular.retrieve

        def slow(source: Popular, query: Query, k: int) -> Hits:
            self.entered.release()
            assert self.release.wait(LONG_S)
            return retrieve(source, query, k)

        monkeypatch.setattr(Popular, "retrieve", slow)

    def call(self) -> Any:
        return self.stub.Recommend.future(RecommendRequest(user_id="user-03"), timeout=LONG_S)


@pytest.fixture
def busy(snapshots: Path, listen: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Busy]:
    target = listen(snapshots, max_concurrent=MOST)
    with grpc.insecure_channel(target) as channel:
        server = Busy(channel)
        server.hold(monkeypatch)
        yield server
        server.release.set()


def test_one_call_too_many_is_refused_while_the_others_still_run(busy: Busy, failure_of: Callable[..., Any]) -> None:
    running = busy.fill()

    for _ in range(10):
        failure = failure_of(busy.call().result)
        assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert failure.message == f"the server takes on at most {MOST} calls at a time and has as many"
        assert set(failure.details) == {"ErrorInfo", "RequestInfo", "QuotaFailure", "RetryInfo"}
        assert failure.details["ErrorInfo"].reason == "OVERLOADED"
        assert dict(failure.details["ErrorInfo"].metadata) == {"max_concurrent": str(MOST)}
        (violation,) = failure.details["QuotaFailure"].violations
        assert violation.subject == "max_concurrent"
        assert failure.details["RetryInfo"].retry_delay.seconds == 1

    assert not any(call.done() for call in running)
    busy.release.set()
    assert all(call.result().results for call in running)


def test_a_call_that_would_wait_too_long_is_refused_and_says_so(
    snapshots: Path, listen: Callable[..., str], monkeypatch: pytest.MonkeyPatch, failure_of: Callable[..., Any]
) -> None:
    target = listen(snapshots, longest_wait_ms=0.0)
    with grpc.insecure_channel(target) as channel:
        server = Busy(channel)
        server.release.set()
        for _ in range(3):
            assert server.call().result().results  # known what calls take, and nobody waits
        server.hold(monkeypatch)
        running = [server.call() for _ in range(threads_of(1))]
        for _ in running:
            assert server.entered.acquire(timeout=LONG_S)

        failure = failure_of(server.call().result)

        server.release.set()
        assert all(call.result().results for call in running)
        assert server.call().result().results
    assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert failure.message == "the server takes on calls that it can begin within 0 ms, and has too many for that"
    assert dict(failure.details["ErrorInfo"].metadata) == {"longest_wait_ms": "0"}
    assert failure.details["RetryInfo"].retry_delay.seconds == 1


def test_a_wait_is_expected_of_calls_beyond_the_threads_by_what_calls_have_taken() -> None:
    release = threading.Event()
    with CallPool(2) as pool:
        assert pool.expected_wait_s == 0.0
        pool.submit(sleep, 0.05).result()
        futures = [pool.submit(release.wait, LONG_S) for _ in range(2)]
        # One would wait for either of two threads that take 0.05 s each.
        one = pool.expected_wait_s
        futures.append(pool.submit(int))
        two = pool.expected_wait_s
        release.set()
        wait(futures, LONG_S)
    assert 0.02 < one < 0.1
    assert two == pytest.approx(2 * one)


class Details(NamedTuple):
    """What an interceptor is told of a call."""

    method: str = "/recommender.v1.RecommendationService/Recommend"
    invocation_metadata: tuple[()] = ()


def test_while_most_are_refused_nobody_is_let_in_to_wait() -> None:
    release = threading.Event()
    with CallPool(1) as pool:
        pool.submit(sleep, 0.05).result()
        running = [pool.submit(release.wait, LONG_S)]
        # One may wait behind the one that runs, two may not.
        admission = Admission(pool, 100, longest_wait_s=1.5 * pool.expected_wait_s)

        def are_let_in(n_calls: int) -> int:
            handler = grpc.unary_unary_rpc_method_handler(lambda request, context: None)
            return sum(admission.intercept_service(lambda _: handler, Details()) is handler for _ in range(n_calls))

        assert are_let_in(10) == 10
        running.append(pool.submit(release.wait, LONG_S))
        assert are_let_in(100) == 0
        running.pop().cancel()
        assert are_let_in(10) == 0
        release.set()
        wait(running, LONG_S)
        assert are_let_in(100) == 100
        release.clear()
        running = [pool.submit(release.wait, LONG_S)]
        assert are_let_in(10) == 10
        release.set()


def test_calls_given_up_in_the_queue_give_their_places_back(busy: Busy) -> None:
    running = busy.fill()
    for call in running[threads_of(1) :]:
        call.cancel()
    busy.release.set()
    for call in running[: threads_of(1)]:
        call.result()
    # The threads take calls in turn: these have seen the given-up ones off.
    for call in [busy.call() for _ in range(threads_of(1))]:
        call.result()

    while busy.entered.acquire(blocking=False):
        pass
    again = busy.fill()
    busy.release.set()
    assert all(call.result().results for call in again)


def test_health_is_answered_however_many_calls_there_are(busy: Busy) -> None:
    running = busy.fill()

    checked = HealthStub(busy.channel).Check(HealthCheckRequest(), timeout=LONG_S / 2)

    assert checked.status == HealthCheckResponse.SERVING
    assert not any(call.done() for call in running)


def test_a_pool_counts_what_waits_and_runs_and_forgets_what_failed() -> None:
    release = threading.Event()
    with CallPool(1) as pool:
        futures = [pool.submit(release.wait, LONG_S), pool.submit(lambda: 1 // 0), pool.submit(int)]
        assert pool.n_calls == 3
        futures[2].cancel()
        assert pool.n_calls == 2
        release.set()
        wait(futures[:2], LONG_S)
    assert pool.n_calls == 0
    with pytest.raises(RuntimeError):
        pool.submit(int)
    assert pool.n_calls == 0
