"""How a snapshot gets into a store: staged, sealed, committed, by one rebuild at a time, with nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import InputError
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.store import SnapshotStore

from .stores import left_over

Build = Callable[..., str]


def test_a_staging_folder_that_was_not_committed_is_gone_afterwards(store: SnapshotStore, root: Path) -> None:
    def fail() -> None:
        with store.staging() as staging:
            (staging / "half.txt").write_text("half")
            raise KeyboardInterrupt

    with store.staging() as staging:
        (staging / "half.txt").write_text("half")
    assert left_over(root) == set()
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert left_over(root) == set()
    assert store.versions() == []


def test_a_full_disk_is_one_sentence_for_the_operator(store: SnapshotStore) -> None:
    def fill() -> None:
        with store.staging(), open("/dev/full", "wb", buffering=0) as disk:
            disk.write(b"x")

    with pytest.raises(InputError, match="no space is left"):
        fill()


def test_the_debris_of_dead_rebuilds_and_deletions_is_removed_by_the_next_rebuild(
    build: Build, store: SnapshotStore, root: Path
) -> None:
    build(store)
    (root / ".staging-dead" / "arrays").mkdir(parents=True)
    (root / ".staging-dead" / "arrays" / "a.npy").touch()
    (root / ".trash-dead").mkdir()
    assert len(store.versions()) == 1
    with store.staging() as staging:
        assert left_over(root) == {staging.name}


def test_the_same_snapshot_is_not_committed_twice(build: Build, store: SnapshotStore, root: Path) -> None:
    version = build(store)
    with pytest.raises(InputError, match=f"{version} exists already"):
        build(store)
    store.open(version)
    assert left_over(root) == set()


def test_only_what_was_staged_and_sealed_here_is_committed(
    store: SnapshotStore, root: Path, tmp_path: Path, facts: dict[str, Any], write_files: Callable[[Path], None]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_files(elsewhere)
    manifest = Manifest.seal(elsewhere, **facts)
    with pytest.raises(ValueError, match="not staged"):
        store.commit(elsewhere, manifest)
    with store.staging() as staging:
        write_files(staging)
        Manifest.seal(staging, **(facts | {"seed": 8}))
        with pytest.raises(ValueError, match="not sealed"):
            store.commit(staging, manifest)
    assert store.versions() == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"), SnapshotStore(tmp_path / "file").staging():
        raise AssertionError("a file cannot hold snapshots")


HOLDER = """
import sys
from pathlib import Path
from recsys.snapshot.store import SnapshotStore
with SnapshotStore(Path(sys.argv[1])).staging() as staging:
    (staging / "half.txt").write_text("half")
    print("staged", flush=True)
    sys.stdin.read()
"""


def test_a_second_rebuild_is_refused_while_one_runs_and_welcome_once_it_was_killed(
    build: Build, store: SnapshotStore, root: Path
) -> None:
    store.publish(current := build(store))
    command = [sys.executable, "-c", HOLDER, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "staged\n"
            with pytest.raises(InputError, match=r"another rebuild is writing to .*: wait until it ends or stop it"):
                build(store, seed=8)
            assert len(left_over(root)) == 1
            assert (store.current(), store.versions()) == (current, [current])
        finally:
            holder.kill()
    assert len(left_over(root)) == 1
    build(store, seed=8)
    assert left_over(root) == set()
    assert len(store.versions()) == 2
