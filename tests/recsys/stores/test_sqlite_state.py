"""What SQLite's engine does beyond the contract: opening, migrating, group commit, and a disk that fails."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from recsys.errors import InputError, StateUnavailable
from recsys.stores.opening import open_state
from recsys.stores.records import LiveEvent
from recsys.stores.sqlite import erased, events, items, people
from recsys.stores.sqlite.connection import BUSY_S, Connection, loses_commits, opened, prepare, rows
from recsys.stores.sqlite.group_commit import GroupCommit
from recsys.stores.sqlite.schema import MIGRATIONS
from recsys.stores.sqlite.state import SqliteState

ROOT = Path(__file__).parents[3]


def seen(number: int, query: str = "") -> LiveEvent:
    return LiveEvent(f"e-{number}", "view", number, user_id="anna", query=query)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    state = SqliteState(tmp_path)
    yield state
    state.close()


# Opening


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.44.5", "3.45.0", "3.50.4", "3.50.6", "3.51.0", "3.51.2"])
def test_a_sqlite_that_loses_commits_is_refused(tmp_path: Path, version: str) -> None:
    assert loses_commits(version)
    with pytest.raises(InputError, match=f"SQLite {version} can lose committed rows"):
        prepare(tmp_path, sqlite_version=version)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["3.6.23", "3.44.6", "3.44.7", "3.50.7", "3.51.3", "3.52.0", "3.54.1", "4.0.0"])
def test_a_sqlite_that_keeps_commits_is_not(version: str) -> None:
    assert not loses_commits(version)


def test_migrations_run_in_order_once_and_keep_what_is_there(tmp_path: Path) -> None:
    state = SqliteState(tmp_path)
    state.events.append([seen(1)])
    state.close()
    later = (*MIGRATIONS, "CREATE TABLE later (one); INSERT INTO later VALUES (1)", "UPDATE later SET one = one + 1")
    for _ in range(2):
        connection = opened(prepare(tmp_path, migrations=later))
        assert rows(connection, "SELECT one, (SELECT count(*) FROM events) FROM later") == [(2, 1)]
        connection.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    SqliteState(tmp_path).close()
    with pytest.raises(Exception, match="nowhere"):
        prepare(tmp_path, migrations=(*MIGRATIONS, "CREATE TABLE later (one)", "INSERT INTO nowhere VALUES (1)"))
    connection = opened(prepare(tmp_path))
    assert rows(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'") == [(0,)]
    connection.close()


def test_a_file_of_a_newer_schema_is_refused_in_one_sentence(tmp_path: Path) -> None:
    prepare(tmp_path, migrations=(*MIGRATIONS, "CREATE TABLE later (one)"))
    with pytest.raises(InputError, match=r"is of schema 2, written by a newer version; this one reads up to 1$"):
        SqliteState(tmp_path)


def test_what_cannot_be_a_state_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        open_state(str(tmp_path / "file"))
    with pytest.raises(InputError, match="neither a folder nor"):
        open_state("postgres://user:secret@host/db")


def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("a shopping list, " * 100)
    with pytest.raises(StateUnavailable, match=r"state\.db"):
        SqliteState(tmp_path)
    assert path.read_text() == "a shopping list, " * 100


def test_processes_that_open_a_new_folder_at_once_all_get_it(tmp_path: Path) -> None:
    code = "import sys; from recsys.stores.opening import open_state; print(open_state(sys.argv[1]).events.count())"
    command = [sys.executable, "-c", code, str(tmp_path / "new" / "state")]
    openers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert [(opener.communicate(timeout=60)[0], opener.returncode) for opener in openers] == [("0\n", 0)] * 6


# Reading


READ_FOR_ANSWERS = [
    people.LINKED_USER,
    people.LINKED_VISITORS,
    people.PROFILE,
    erased.ERASED,
    people.USER_EVENTS,
    people.VISITOR_EVENTS,
    people.USER_COUNT,
    people.VISITOR_COUNT,
    events.KEPT.format("?, ?"),
    items.VERSION,
    items.CHANGED,
    items.GET,
]


@pytest.mark.parametrize("query", READ_FOR_ANSWERS, ids=lambda query: query.strip()[:70])
def test_nothing_that_answers_wait_for_scans_a_table(state: SqliteState, tmp_path: Path, query: str) -> None:
    connection = opened(tmp_path / "state.db")
    n_values = max(map(int, re.findall(r"\?(\d+)", query)), default=query.count("?"))
    plan = [row[3] for row in rows(connection, f"EXPLAIN QUERY PLAN {query}", [None] * n_values)]
    connection.close()
    searched = [step for step in plan if step.startswith(("SEARCH", "SCAN"))]
    assert searched
    assert all(step.startswith("SEARCH") or step == "SCAN CONSTANT ROW" for step in searched), plan
    if "time_us DESC" in query:
        assert any("events_by_owner (owner_key=?)" in step for step in plan), plan
        # Newest first is the index's order: only ties are sorted, so that the limit is a limit of work.
        assert "USE TEMP B-TREE FOR LAST TERM OF ORDER BY" in plan


# Group commit


def test_changes_that_wait_share_a_commit(tmp_path: Path) -> None:
    commit = GroupCommit(prepare(tmp_path))
    n_commits = 0

    def counted() -> bool:
        nonlocal n_commits
        n_commits += 1
        return False

    started, go = Event(), Event()

    def first(connection: Connection) -> None:
        connection.set_commit_hook(counted)
        started.set()
        assert go.wait(10)

    def insert(number: int) -> int:
        return commit(lambda connection: _vector(connection, number))

    with ThreadPoolExecutor(21) as pool:
        pool.submit(commit, first)
        assert started.wait(10)
        inserted = [pool.submit(insert, number) for number in range(20)]
        while commit.n_waiting < 20:
            pass
        go.set()
        assert [one.result() for one in inserted] == list(range(20))
    commit.close()
    assert n_commits == 2


def test_a_change_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    commit = GroupCommit(prepare(tmp_path))
    started, go = Event(), Event()

    def fail(connection: Connection) -> None:
        _vector(connection, 99)
        raise LookupError("mine")

    with ThreadPoolExecutor(4) as pool:
        pool.submit(commit, lambda _: (started.set(), go.wait(10)))
        assert started.wait(10)
        failed = pool.submit(commit, fail)
        kept = [pool.submit(commit, lambda connection, number=number: _vector(connection, number)) for number in (1, 2)]
        while commit.n_waiting < 3:
            pass
        go.set()
        assert [one.result() for one in kept] == [1, 2]
        with pytest.raises(LookupError, match="mine"):
            failed.result()
    assert commit(lambda connection: rows(connection, "SELECT digest FROM vectors ORDER BY 1")) == [("1",), ("2",)]
    commit.close()


def _vector(connection: Connection, number: int) -> int:
    connection.execute("INSERT INTO vectors VALUES ('m', ?, x'00')", (str(number),))
    return number


# What fails


@contextmanager
def no_file_beyond(n_bytes: int) -> Iterator[None]:
    """A disk that is full: no file can grow beyond ``n_bytes``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_while_the_disk_is_full_writes_fail_reads_go_on_and_then_both_work(state: SqliteState, tmp_path: Path) -> None:
    state.events.append([seen(0)])
    with no_file_beyond((tmp_path / "state.db-wal").stat().st_size + 100_000):
        number = _filled(state)
        assert 0 < number < 1_000
        with pytest.raises(StateUnavailable):
            state.events.append([seen(5_000, "x" * 500_000)])
        assert state.events.count() == 2 * number + 1
        assert state.users.person("anna", "", most_events=1).events == (seen(number, "x" * 5_000),)
    # Of the batch that failed nothing was kept.
    assert state.events.append([seen(number + 1), seen(-number - 1)]) == [True, True]
    assert state.events.count() == 2 * number + 3


def test_while_another_process_keeps_the_file_writes_fail_in_time_and_reads_go_on(
    state: SqliteState, tmp_path: Path
) -> None:
    state.events.append([seen(1)])
    other = opened(tmp_path / "state.db")
    other.execute("BEGIN IMMEDIATE")
    begun = monotonic()
    with pytest.raises(StateUnavailable, match="locked"):
        state.events.append([seen(2)])
    assert BUSY_S * 0.9 < monotonic() - begun < BUSY_S + 3
    assert state.events.count() == 1
    other.execute("ROLLBACK")
    assert state.events.append([seen(2)]) == [True]
    other.close()


def test_a_file_that_is_damaged_is_said_to_be_and_used_again_once_it_is_mended(tmp_path: Path) -> None:
    state = SqliteState(tmp_path)
    state.events.append([seen(number, "x" * 500) for number in range(2_000)])
    state.close()
    path = tmp_path / "state.db"
    whole = path.read_bytes()
    state = SqliteState(tmp_path)
    _overwrite(path, whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StateUnavailable, match=r"state\.db"):
        state.events.since(0, 5_000)
    with pytest.raises(StateUnavailable, match=r"state\.db"):
        state.events.append([seen(2_000)])
    _overwrite(path, whole)
    assert len(state.events.since(0, 5_000)[0]) == 2_000
    assert state.events.append([seen(2_000)]) == [True]
    state.close()


def _filled(state: SqliteState) -> int:
    """How many batches of two events were kept until the disk was full."""
    for number in range(1_000):
        try:
            state.events.append([seen(number + 1, "x" * 5_000), seen(-number - 1, "x" * 5_000)])
        except StateUnavailable:
            return number
    raise AssertionError("the disk was never full")


def _overwrite(path: Path, raw: bytes) -> None:
    with path.open("r+b") as file:
        file.write(raw)
