"""What Redis' engine does beyond the contract: what it refuses, and a server that is down, slow, full or new."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TypeVar

import pytest
import redis

from recsys.errors import InputError, StateUnavailable
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent, ProfileChange, ShownItem, ShownSlate

from .running_valkey import ALWAYS, RunningValkey

NOW = 1_767_225_600_000_000
BACK_S = 5.0
T = TypeVar("T")


def seen(number: int, *, user_id: str = "anna", visitor_id: str = "") -> LiveEvent:
    return LiveEvent(f"e-{number}", "view", NOW + number, user_id=user_id, visitor_id=visitor_id, query="x" * 50)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningValkey]:
    with RunningValkey(tmp_path / "valkey") as running:
        yield running


@pytest.fixture
def state(server: RunningValkey) -> Iterator[State]:
    state = open_state(server.url)
    yield state
    state.close()


def once_back(ask: Callable[[], T]) -> T:
    """What ``ask`` returns once the store is available again, which must be within 5 s."""
    until = monotonic() + BACK_S
    while True:
        try:
            return ask()
        except StateUnavailable:
            assert monotonic() < until


REFUSED = [
    (("--appendonly", "no"), "appendonly is not yes"),
    (("--appendonly", "yes", "--appendfsync", "everysec"), "appendfsync is everysec, not always"),
    (("--appendonly", "yes", "--appendfsync", "no"), "appendfsync is no, not always"),
    ((*ALWAYS, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "maxmemory-policy is allkeys-lru"),
]


@pytest.mark.parametrize(("settings", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_a_server_that_may_lose_what_it_acknowledged_is_refused(
    tmp_path: Path, settings: tuple[str, ...], sentence: str
) -> None:
    with RunningValkey(tmp_path, settings=settings) as running:
        with pytest.raises(InputError, match=sentence):
            open_state(running.url)
        with redis.Redis.from_url(running.url) as client:
            assert client.keys() == []


def test_the_loss_of_a_second_can_be_accepted_and_is_told(tmp_path: Path) -> None:
    with RunningValkey(tmp_path, settings=("--appendonly", "yes", "--appendfsync", "everysec")) as running:
        state = open_state(f"{running.url}?durability=everysec")
        assert state.events.append([seen(1)]) == [True]
        assert "up to a second of acknowledged writes is lost" in state.describe()
        state.close()
        with pytest.raises(InputError, match="durability is 'never'"):
            open_state(f"{running.url}?durability=never")


def test_a_server_that_was_started_anew_with_other_settings_is_not_written_to(server: RunningValkey) -> None:
    state = open_state(server.url)
    state.events.append([seen(1)])
    server.kill()
    with RunningValkey(server.folder, settings=("--appendonly", "yes", "--appendfsync", "no"), port=server.port):
        assert once_back(state.events.count) == 1
        with pytest.raises(StateUnavailable, match="appendfsync is no"):
            state.events.append([seen(2)])
        assert "refuses writes" in state.describe()
        assert state.events.count() == 1
    state.close()


def test_state_of_a_newer_schema_is_refused_in_one_sentence(server: RunningValkey) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set("tributary:schema", 2)
    with pytest.raises(InputError, match=r"is of schema 2, written by a newer version; this one reads up to 1$"):
        open_state(server.url)


def test_passwords_are_used_and_never_told(tmp_path: Path) -> None:
    with RunningValkey(tmp_path, settings=(*ALWAYS, "--requirepass", "s3cret")) as running:
        state = open_state(running.url.replace("redis://", "redis://:s3cret@"))
        assert state.events.append([seen(1)]) == [True]
        assert re.match(r"(Valkey|Redis) \d", state.describe())
        assert "s3cret" not in state.describe()
        state.close()
        wrong = open_state(running.url.replace("redis://", "redis://:wr0ng@"))
        with pytest.raises(StateUnavailable) as refused:
            wrong.events.count()
        assert "wr0ng" not in str(refused.value)
        wrong.close()


def test_databases_of_a_server_are_apart(server: RunningValkey, state: State) -> None:
    state.events.append([seen(1)])
    other = open_state(server.url.replace("/0", "/3"))
    assert other.events.count() == 0
    assert other.describe().endswith("/3: append-only file, on disk before it is acknowledged")
    other.close()


def test_a_server_that_was_killed_is_missed_at_once_and_found_again_with_all_it_acknowledged(
    server: RunningValkey, state: State
) -> None:
    state.events.append([seen(number) for number in range(10)])
    server.kill()
    begun = monotonic()
    for ask in (state.events.count, lambda: state.events.append([seen(10)]), state.items.version):
        with pytest.raises(StateUnavailable):
            ask()
    assert monotonic() - begun < 3
    server.start()
    assert once_back(state.events.count) == 10
    assert state.events.append([seen(9), seen(10)]) == [False, True]


def test_a_server_that_is_not_there_yet_is_used_once_it_is(server: RunningValkey) -> None:
    server.kill()
    state = open_state(server.url)
    assert "not reached yet" in state.describe()
    with pytest.raises(StateUnavailable):
        state.events.append([seen(1)])
    server.start()
    assert once_back(lambda: state.events.append([seen(1)])) == [True]
    state.close()


def test_a_server_that_hangs_costs_one_wait_and_is_used_again_when_it_goes_on(
    server: RunningValkey, state: State
) -> None:
    state.events.append([seen(1)])
    os.kill(server.pid, signal.SIGSTOP)
    try:
        begun = monotonic()
        with pytest.raises(StateUnavailable):
            state.users.person("anna", "", most_events=1)
        assert monotonic() - begun < 2.5
        begun = monotonic()
        with pytest.raises(StateUnavailable, match="did not answer a moment ago"):
            state.users.person("anna", "", most_events=1)
        with pytest.raises(StateUnavailable):
            state.events.append([seen(2)])
        assert monotonic() - begun < 0.5
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert once_back(lambda: state.users.person("anna", "", most_events=1)).events == (seen(1),)
    assert once_back(lambda: state.events.append([seen(3)])) == [True]


def test_a_server_without_memory_fails_writes_while_reads_go_on(server: RunningValkey, state: State) -> None:
    state.events.append([seen(1)])
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "1mb")
        with pytest.raises(StateUnavailable, match="maxmemory"):
            state.events.append([seen(2), seen(3)])
        assert state.events.count() == 1
        assert state.users.person("anna", "", most_events=9).events == (seen(1),)
        client.config_set("maxmemory", "0")
    assert state.events.append([seen(2), seen(3)]) == [True, True]


def test_nothing_of_erased_people_is_left_in_the_servers_files(server: RunningValkey, state: State) -> None:
    def left_of(text: str) -> dict[str, int]:
        files = [path for path in server.folder.rglob("*") if path.is_file()]
        return {path.name: n for path in files if (n := path.read_bytes().count(text.encode()))}

    for name in ("erased-1", "kept"):
        state.users.link(name, f"device of {name}")
        state.users.upsert([ProfileChange(name, {"town": f"town of {name}"})], existing=(), create=True)
        state.events.append([seen(len(name), user_id=name), seen(20 + len(name), visitor_id=f"device of {name}")])
        state.events.append([seen(50, user_id="other", visitor_id="device of erased-1")])
        shown = (ShownItem(f"item of {name}"),)
        state.slates.append([ShownSlate("r", NOW, "", f"device of {name}", "home", "v", shown)])
        until = monotonic() + 5
        while not any(f"item of {name}" in str(slate) for slate in state.slates.since(0, 9)[0]):
            assert monotonic() < until
    assert left_of("erased-1")
    state.users.erase("erased-1", now_us=NOW + 99)
    assert left_of("erased-1") == {}
    assert left_of("kept")
    # And it is so after a restart.
    server.kill()
    server.start()
    assert once_back(lambda: state.users.person("erased-1", "", most_events=9)).erased_us == NOW + 99
    assert state.users.person("kept", "", most_events=9).visitor_ids == ("device of kept",)
    assert left_of("erased-1") == {}
