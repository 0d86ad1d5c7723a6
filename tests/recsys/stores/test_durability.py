"""Acknowledged is durable: after kill -9, and, which kill -9 cannot show, on the disk before it is acknowledged."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from .killing import ROOT, Killing, kill_writers
from .running_valkey import RunningValkey

N_KILLS = 5
N_BATCHES = 110


def sound(folder: Path) -> bool:
    """Whether SQLite finds the file whole."""
    connection = apsw.Connection(str(folder / "state.db"))
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    return verdict == ("ok",)


def test_what_sqlite_acknowledged_is_there_after_its_writers_were_killed(tmp_path: Path) -> None:
    killing = Killing(str(tmp_path), kill_writers, lambda: None)
    for _ in range(N_KILLS):
        killing.round()
        assert sound(tmp_path)
    killing.look_again()
    assert killing.tally.wrong == []
    assert killing.tally.n_acknowledged > 100


def test_what_valkey_acknowledged_is_there_after_it_was_killed(tmp_path: Path) -> None:
    with RunningValkey(tmp_path) as server:
        killing = Killing(server.url, lambda _: server.kill(), server.start)
        for _ in range(N_KILLS):
            killing.round()
        killing.look_again()
    assert killing.tally.wrong == []
    assert killing.tally.n_acknowledged > 100


def test_an_acknowledgement_before_the_commit_is_found_out(tmp_path: Path) -> None:
    killing = Killing(str(tmp_path), kill_writers, lambda: None, too_early=True)
    for _ in range(N_KILLS):
        killing.round()
    assert any("was acknowledged and is not there" in line for line in killing.tally.wrong)


# On the disk

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def traced(tmp_path: Path, *arguments: str) -> list[str]:
    """System calls of a writer, all its threads, in the order in which they ended."""
    trace = tmp_path / "trace"
    calls = "trace=openat,write,pwrite64,fsync,fdatasync"
    writer = [sys.executable, "-m", "tests.recsys.stores.acknowledging_writer", *arguments]
    subprocess.run(
        ["strace", "-f", "-y", "-s", "200", "-e", calls, "-o", trace, *writer],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=240,
    )
    # A call that another thread's interrupts has two lines: the second one, when it returns, counts.
    begun: dict[str, str] = {}
    ended = []
    for line in trace.read_text(errors="replace").splitlines():
        pid, _, call = line.partition(" ")
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>")
        elif "resumed>" in call:
            ended.append(begun.pop(pid, "") + call.partition("resumed>")[2])
        else:
            ended.append(call.strip())
    return ended


def unsynced(calls: list[str]) -> tuple[int, list[str]]:
    """How many acknowledgements there are, and those before which the batch was not on the disk."""
    n_kept, too_early = 0, []
    written = synced = False
    for call in calls:
        said = re.search(r'^write\(1<[^>]*>, "(begin|kept) (.*?)\\n"', call)
        if said and said[1] == "begin":
            written = synced = False
        elif said:
            n_kept += 1
            if not synced:
                too_early.append(said[2])
        elif "state.db-wal>" in call and call.startswith("pwrite64"):
            written, synced = True, False
        elif "state.db-wal>" in call and call.startswith(("fsync", "fdatasync")) and call.endswith("= 0"):
            synced = written
    return n_kept, too_early


@needs_strace
def test_a_batch_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "state"), "w", "--threads", "1", "--batches", str(N_BATCHES))
    calls = traced(tmp_path, *arguments)
    assert unsynced(calls) == (N_BATCHES, [])
    # The names of the files too.
    made = [place for place, call in enumerate(calls) if "O_CREAT" in call and "state.db" in call]
    first = next(place for place, call in enumerate(calls) if '"kept ' in call)
    synced = [place for place, call in enumerate(calls) if re.match(r"fsync\(\d+<[^>]*/state>\) += 0", call)]
    assert any(made[0] < place < first for place in synced)


@needs_strace
def test_a_batch_that_is_acknowledged_too_early_is_found_out_by_what_is_traced(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "state"), "w", "--threads", "1", "--batches", "5", "--too-early")
    assert unsynced(traced(tmp_path, *arguments)) == (5, ["0 0", "0 1", "0 2", "0 3", "0 4"])


@needs_strace
def test_valkey_has_a_batch_on_the_disk_before_it_replies(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with RunningValkey(tmp_path / "valkey") as server:
        command = ["strace", "-f", "-y", "-e", "trace=write,writev,sendto,fsync,fdatasync", "-o", trace]
        with subprocess.Popen([*command, "-p", str(server.pid)], stderr=subprocess.PIPE) as tracer:
            assert tracer.stderr is not None
            assert b"attached" in tracer.stderr.readline()
            writer = [sys.executable, "-m", "tests.recsys.stores.acknowledging_writer", server.url, "w"]
            options = ["--threads", "1", "--batches", str(N_BATCHES)]
            subprocess.run([*writer, *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=120)
            tracer.terminate()
            tracer.wait(30)
    n_synced, dirty, too_early = 0, False, []
    for line in trace.read_text(errors="replace").splitlines():
        call = line.partition(" ")[2].strip()
        if ".aof>" in call and call.startswith("write"):
            dirty = True
        elif ".aof>" in call and call.startswith("fdatasync") and call.endswith("= 0"):
            dirty, n_synced = False, n_synced + dirty
        elif "socket:" in call and call.startswith(("write", "sendto")) and dirty:
            too_early.append(line)
    assert too_early == []
    assert n_synced >= N_BATCHES
