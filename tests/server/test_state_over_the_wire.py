"""A server of two processes on each engine: what one acknowledges the other knows, and what becomes of a broken store.

Every call that answers has the deadline of our own clients, 2 s.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
import pytest
import redis
from google.rpc.code_pb2 import Code

from protos.recommender.v1 import catalog_service_pb2 as catalog
from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1 import user_service_pb2 as users
from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.event_service_pb2 import PurgeEventsRequest, WriteEventsRequest
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.item_pb2 import Item
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.user_pb2 import User
from protos.recommender.v1.user_service_pb2_grpc import UserServiceStub
from server.state import STATE_UNAVAILABLE
from tests.recsys.stores.running_valkey import RunningValkey

from .paged import ids, rows
from .server_process import Server
from .stateful import TwoWorkers, bought

DEADLINE_S = 2.0
# Of a write that fails: less than its caller's deadline of 10 s, so that the caller hears why.
LOUD_S = 5.0
BACK_S = 5.0
KETTLE = Item(item_id="new-kettle", title="Kettle of steel", category="Kitchen", price=25.5)
FailureOf = Callable[..., Any]


class Running(TwoWorkers):
    """``writer`` and ``reader`` lead to two processes, ``processes``, of one server."""

    def __init__(self, writer: grpc.Channel, reader: grpc.Channel, processes: Sequence[int]) -> None:
        super().__init__(writer, reader, DEADLINE_S)
        self.processes = processes

    def asked(self, channel: grpc.Channel, **fields: Any) -> pb.RecommendResponse:
        """An answer of one of both, within its deadline."""
        return RecommendationServiceStub(channel).Recommend(pb.RecommendRequest(**fields), timeout=DEADLINE_S)

    def writes(self, user_id: str) -> dict[str, Callable[[], object]]:
        """One call of every kind that changes something, none of which waits for longer than our clients do."""
        events, wait = EventServiceStub(self.writer), {"timeout": 10.0}
        event, user = bought("1-i20", user_id=user_id), User(user_id=user_id)
        return {
            "WriteEvents": lambda: events.WriteEvents(WriteEventsRequest(events=[event]), **wait),
            "PurgeEvents": lambda: events.PurgeEvents(PurgeEventsRequest(filter="item_id = 1-i20", force=True), **wait),
            "UpsertItems": lambda: self.catalog.UpsertItems(
                catalog.UpsertItemsRequest(items=[KETTLE], allow_missing=True), **wait
            ),
            "SetInventory": lambda: self.catalog.SetInventory(
                catalog.SetInventoryRequest(item_id="1-i07", stock=0), **wait
            ),
            "DeleteItems": lambda: self.catalog.DeleteItems(catalog.DeleteItemsRequest(item_ids=["1-i08"]), **wait),
            "UpsertUsers": lambda: self.users.UpsertUsers(
                users.UpsertUsersRequest(users=[user], allow_missing=True), **wait
            ),
            "LinkIdentities": lambda: self.users.LinkIdentities(
                users.LinkIdentitiesRequest(user_id=user_id, visitor_id="tablet"), **wait
            ),
            "DeleteUser": lambda: self.users.DeleteUser(users.DeleteUserRequest(user_id=user_id), **wait),
        }


@contextmanager
def _running(snapshots: Path, state: str, folder: Path) -> Iterator[Running]:
    """A server of two processes on a store, and a channel to each."""
    words = ["--snapshots", str(snapshots), "--state", state, "--workers", "2", "--clock", "snapshot"]
    with ExitStack() as open_things:
        server = Server(words, folder)
        open_things.callback(server.stop)
        address = server.until(r"listening on (\S+)")[1]
        processes = [server.served(), server.served()]
        of_worker: dict[int, grpc.Channel] = {}
        # The kernel spreads connections: of forty, both workers get some but for one chance in 2^39.
        for _ in range(40):
            channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
            open_things.callback(channel.close)
            answer = RecommendationServiceStub(channel).Recommend(pb.RecommendRequest(), timeout=30)
            of_worker[_worker_of(answer.request_id, server)] = channel
            if len(of_worker) == 2:
                break
        yield Running(of_worker[0], of_worker[1], processes)


def _worker_of(request_id: str, server: Server) -> int:
    lines = (json.loads(line) for line in server.errors.read_text().splitlines() if request_id in line)
    return int(next(line["worker"] for line in lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the SQLite engine keeps its state."""
    return tmp_path_factory.mktemp("sqlite") / "state"


@pytest.fixture(scope="module")
def on_sqlite(snapshots: Path, folder: Path) -> Iterator[Running]:
    with _running(snapshots, str(folder), folder.parent) as running:
        yield running


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValkey]:
    with RunningValkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture(scope="module")
def on_valkey(snapshots: Path, valkey: RunningValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with _running(snapshots, valkey.url, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(params=["on_sqlite", "on_valkey"])
def running(request: pytest.FixtureRequest) -> Running:
    """The server of either engine. Tests share it: each leaves it as well as it was, and has users of its own."""
    found: Running = request.getfixturevalue(request.param)
    return found


def test_what_one_process_acknowledges_the_other_knows_at_once(running: Running, failure_of: FailureOf) -> None:
    written = running.write(bought("1-i10", user_id="ann"), bought("1-i11", visitor_id="phone"))
    assert written.n_written == 2
    assert running.took(user_id="ann") == {"1-i10"}
    assert running.write(bought("1-i12", user_id="ann", event_id="e")).n_written == 1
    assert running.write(bought("1-i12", user_id="ann", event_id="e")).n_duplicate == 1

    running.catalog.UpsertItems(catalog.UpsertItemsRequest(items=[KETTLE], allow_missing=True))
    assert ids(running.recommend(filter="price = 25.5")) == [KETTLE.item_id]
    request = catalog.DeleteItemsRequest(item_ids=[KETTLE.item_id, "1-i07", "nobody's"])
    codes = [status.code for status in running.catalog.DeleteItems(request).statuses]
    assert codes == [Code.OK, Code.OK, Code.NOT_FOUND]
    assert not {KETTLE.item_id, "1-i07"} & set(ids(running.recommend()))

    running.users.LinkIdentities(users.LinkIdentitiesRequest(user_id="ann", visitor_id="phone"))
    assert running.took(user_id="ann") == running.took(visitor_id="phone") == {"1-i10", "1-i11", "1-i12"}
    colour = User(user_id="ann", attributes={"colour": AttributeValue(text="red")})
    running.users.UpsertUsers(users.UpsertUsersRequest(users=[colour], allow_missing=True))
    reader, get = UserServiceStub(running.reader), users.GetProfileRequest(user_id="ann")
    known = reader.GetProfile(get)
    assert (known.user, list(known.visitor_ids), known.n_events) == (colour, ["phone"], 3)

    receipt = running.users.DeleteUser(users.DeleteUserRequest(user_id="ann")).receipt
    assert (receipt.n_events, receipt.profile, receipt.links) == (3, True, 1)
    for who in ({"user_id": "ann"}, {"visitor_id": "phone"}):
        assert rows(running.recommend(**who)) == rows(running.recommend(user_id="nobody"))
    assert failure_of(lambda: reader.GetProfile(get)).code is grpc.StatusCode.NOT_FOUND


def test_a_killed_store_degrades_answers_fails_writes_and_is_back_within_five_seconds_of_its_restart(
    on_valkey: Running, valkey: RunningValkey, failure_of: FailureOf
) -> None:
    on_valkey.write(bought("1-i10", user_id="bob"))
    assert on_valkey.took(user_id="bob") == {"1-i10"}
    valkey.kill()

    _answers_are_degraded(on_valkey, "bob")
    _writes_fail_loudly(on_valkey.writes("bob"), failure_of)

    valkey.start()
    assert _seconds_until_back(on_valkey, "bob") <= BACK_S
    assert on_valkey.took(user_id="bob") == {"1-i10", "1-i12"}


def test_a_store_that_hangs_costs_answers_less_than_their_deadline_and_is_back_within_five_seconds(
    on_valkey: Running, valkey: RunningValkey, failure_of: FailureOf
) -> None:
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        _answers_are_degraded(on_valkey, "cem")
        _writes_fail_loudly(on_valkey.writes("cem"), failure_of)
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    assert _seconds_until_back(on_valkey, "dora") <= BACK_S
    assert on_valkey.took(user_id="dora") == {"1-i12"}


def test_a_store_without_memory_fails_writes_and_answers_know_all_that_was_kept(
    on_valkey: Running, valkey: RunningValkey, failure_of: FailureOf
) -> None:
    on_valkey.write(bought("1-i10", user_id="eva"))
    with redis.Redis.from_url(valkey.url) as operator:
        operator.config_set("maxmemory", "1mb")
        writes = on_valkey.writes("fay")
        # What takes away makes room.
        for name in ("PurgeEvents", "DeleteUser"):
            writes.pop(name)()
        _writes_fail_loudly(writes, failure_of)
        _answers_know(on_valkey, "eva")
        operator.config_set("maxmemory", "0")

    assert _seconds_until_back(on_valkey, "eva") <= BACK_S
    assert on_valkey.took(user_id="eva") == {"1-i10", "1-i12"}


def test_a_full_disk_fails_writes_and_answers_know_all_that_was_kept(
    on_sqlite: Running, folder: Path, failure_of: FailureOf
) -> None:
    on_sqlite.write(bought("1-i10", user_id="eva"))
    # As long a log as what the processes say meanwhile, which is a file too.
    for number in range(4):
        on_sqlite.write(*(bought("1-i20", user_id=f"user {number} {each}") for each in range(500)))
    with _no_file_beyond((folder / "state.db-wal").stat().st_size, on_sqlite.processes):
        _writes_fail_loudly(on_sqlite.writes("eva"), failure_of)
        _answers_know(on_sqlite, "eva")

    assert _seconds_until_back(on_sqlite, "eva") <= BACK_S
    assert on_sqlite.took(user_id="eva") == {"1-i10", "1-i12"}


def _answers_are_degraded(running: Running, user_id: str) -> None:
    for who in (user_id, "user-03", "") * 3:
        for channel in (running.writer, running.reader):
            answer = running.asked(channel, user_id=who)
            assert answer.results
            assert list(answer.degraded_reasons) == [STATE_UNAVAILABLE]


def _answers_know(running: Running, user_id: str) -> None:
    """That the user took one item, and no more."""
    assert running.took(user_id=user_id) == {"1-i10"}
    for channel in (running.writer, running.reader):
        assert not running.asked(channel, user_id=user_id).degraded_reasons


def _writes_fail_loudly(writes: Mapping[str, Callable[[], object]], failure_of: FailureOf) -> None:
    for name, write in writes.items():
        begun = monotonic()
        failure = failure_of(write)
        assert monotonic() - begun < LOUD_S, name
        assert failure.code is grpc.StatusCode.UNAVAILABLE, name
        assert failure.details["ErrorInfo"].reason == "STATE_UNAVAILABLE"
        assert failure.details["RetryInfo"].retry_delay.seconds > 0
        assert "nothing was acknowledged" in failure.message


def _seconds_until_back(running: Running, user_id: str) -> float:
    """Until a write is acknowledged and neither worker's answer is degraded."""
    begun = monotonic()
    event = bought("1-i12", user_id=user_id)

    def is_kept() -> bool:
        try:
            return [status.code for status in running.write(event).statuses] == [Code.OK]
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:  # type: ignore[attr-defined]
                raise
            return False

    def is_whole(channel: grpc.Channel) -> bool:
        return not running.asked(channel, user_id=user_id).degraded_reasons

    while not (is_kept() and is_whole(running.writer) and is_whole(running.reader)):
        assert monotonic() - begun < 10 * BACK_S
    return monotonic() - begun


@contextmanager
def _no_file_beyond(n_bytes: int, processes: Sequence[int]) -> Iterator[None]:
    """A disk that is full for ``processes``: no file of theirs can grow beyond ``n_bytes``."""
    before = {process: resource.prlimit(process, resource.RLIMIT_FSIZE) for process in processes}
    try:
        for process, (_, hard) in before.items():
            resource.prlimit(process, resource.RLIMIT_FSIZE, (n_bytes, hard))
        yield
    finally:
        for process, limits in before.items():
            resource.prlimit(process, resource.RLIMIT_FSIZE, limits)
