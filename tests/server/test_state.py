"""The state store as answers use it: never waited for long, left alone after a failure, found again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.errors import NoState, StateUnavailable
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent, Person
from server.erased import RENEWED_EVERY_S
from server.state import LONGEST_WAIT_S, N_READERS, REST_S, STATE_UNAVAILABLE, LiveState

from .stateful import Shops, bought

EVENT = LiveEvent("e", "view", 5, "ann", item_id="tea")


class Disk:
    """Where the store is: it can be taken away; ``now`` is the clock of who waits for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_there = True
        self.n_opened = 0
        self.now = 0.0

    def open(self) -> State:
        self.n_opened += 1
        if not self.is_there:
            raise StateUnavailable("gone")
        return open_state(str(self.folder))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "state")


@pytest.fixture
def state(disk: Disk) -> Iterator[LiveState]:
    live = LiveState(disk.open, clock=lambda: disk.now)
    yield live
    live.close()


def down(_: State) -> int:
    raise StateUnavailable("down")


def test_without_a_store_everybody_is_alone_and_writing_is_refused() -> None:
    none = LiveState(None)
    found = none.people([("ann", "phone"), ("", "phone"), ("", "")], None)

    assert [one.person for one in found] == [Person("ann"), Person("", ("phone",)), Person("")]
    assert all(one.is_whole for one in found)
    with pytest.raises(NoState):
        none.store()


def test_people_are_those_of_the_store_each_asked_for_once(state: LiveState) -> None:
    state.store().events.append([EVENT])
    found = [one.person for one in state.people([("ann", ""), ("", ""), ("ann", ""), ("bob", "")], None)]

    assert found == [Person("ann", events=(EVENT,)), Person(""), Person("ann", events=(EVENT,)), Person("bob")]


def test_after_a_failure_nobody_asks_for_a_second_and_then_one_does(state: LiveState, disk: Disk) -> None:
    assert state.asked(lambda _: 1, None) == 1
    assert state.asked(down, None) is None
    assert state.asked(lambda _: 1, None) is None
    disk.now += REST_S - 0.01
    assert state.asked(lambda _: 1, None) is None
    disk.now += 0.01
    assert state.asked(down, None) is None
    assert state.asked(lambda _: 1, None) is None
    disk.now += REST_S
    assert state.asked(lambda _: 1, None) == 1
    assert state.asked(lambda _: 2, None) == 2


def test_a_store_that_hangs_costs_one_short_wait_a_second_even_when_all_its_threads_hang(
    state: LiveState, disk: Disk
) -> None:
    ended = threading.Event()
    try:
        for _ in range(N_READERS + 2):
            started = perf_counter()
            assert state.asked(lambda _: ended.wait(60), None) is None
            assert perf_counter() - started < LONGEST_WAIT_S + 2
            disk.now += REST_S
        assert state.asked(lambda _: 1, None) is None
    finally:
        ended.set()


def test_a_callers_short_deadline_says_nothing_about_the_store(state: LiveState) -> None:
    state.store()
    ended = threading.Event()
    assert state.asked(lambda _: ended.wait(60), 0.0) is None
    ended.set()
    assert state.asked(lambda _: 1, None) == 1


def test_a_fault_of_ours_degrades_the_answer_too(state: LiveState, caplog: pytest.LogCaptureFixture) -> None:
    assert state.asked(lambda _: [][1], None) is None
    assert "reading the state failed" in caplog.text


def test_a_store_that_is_not_there_at_the_start_is_opened_when_it_comes(state: LiveState, disk: Disk) -> None:
    disk.is_there = False
    (found,) = state.people([("ann", "")], None)
    assert (found.person, found.is_whole) == (Person("ann"), False)
    with pytest.raises(StateUnavailable):
        state.store()
    disk.is_there = True
    disk.now += REST_S

    assert [one.is_whole for one in state.people([("ann", ""), ("", "")], None)] == [True, True]
    n_opened = disk.n_opened
    state.store()
    assert disk.n_opened == n_opened


def test_who_was_erased_stays_so_while_the_store_is_away(disk: Disk) -> None:
    live = LiveState(disk.open, clock=lambda: disk.now)
    live.store().users.link("ann", "phone")
    live.store().users.erase("ann", now_us=7_000_000)
    disk.now += RENEWED_EVERY_S
    live.people([("bob", "")], None)
    live.asked(down, None)

    found = live.people([("ann", ""), ("", "phone"), ("bob", "")], None)
    assert [one.person.erased_us for one in found] == [7_000_000, None, None]
    assert [dict(one.person.erased_visitors) for one in found] == [{}, {"phone": 7_000_000}, {}]
    assert [live.erased(None).has(user) for user in ("ann", "phone", "bob")] == [True, False, False]
    assert not any(one.is_whole for one in found)
    live.close()


def test_answers_go_on_without_the_store_and_say_so_and_writing_fails_loudly(
    shop: Shops, failure_of: Callable[..., object]
) -> None:
    running = shop()
    running.write(bought("1-i10", user_id="ann"))
    assert running.took(user_id="ann") == {"1-i10"}
    for file in running.state.glob("*.db*"):
        file.write_bytes(b"no database")
    stub = RecommendationServiceStub(running.reader)

    degraded = stub.Recommend(pb.RecommendRequest(user_id="ann"))
    failure = failure_of(lambda: running.write(bought("1-i11", user_id="ann")))
    assert STATE_UNAVAILABLE in degraded.degraded_reasons
    assert degraded.results
    assert (failure.code, failure.details["ErrorInfo"].reason) == (  # type: ignore[attr-defined]
        grpc.StatusCode.UNAVAILABLE,
        "STATE_UNAVAILABLE",
    )
