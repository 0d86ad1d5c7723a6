"""The stage cache alone: whole or absent, checked, bounded, shared."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from index.stage_cache import StageCache, bytes_allowed
from recsys.errors import InputError
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

SIZE = 1000
# Stores an entry over one that is there, killed just before the n-th change of a name below the folder.
KILLED_AT = """
import os, signal, sys
from pathlib import Path
import numpy as np
from index.stage_cache import StageCache
n, root = int(sys.argv[1]), sys.argv[2]
def hook(event, arguments):
    global n
    if event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "tempfile.mkdtemp"):
        n -= 1
        if n == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
StageCache(Path(root), 2500).write("a", lambda out: out.array("values", np.full(1000, 2, np.uint8)))
"""


def cache(folder: Path, said: list[str] | None = None, *, most: int = 10**9, fresh: bool = False) -> StageCache:
    return StageCache(folder, most, fresh=fresh, say=[].append if said is None else said.append)


def keep(store: StageCache, key: str, value: int = 1) -> None:
    store.write(key, lambda out: out.array("values", np.full(SIZE, value, np.uint8)))


def value_of(store: StageCache, key: str) -> int | None:
    def load(src: SnapshotReader) -> int:
        values = src.array("values")
        assert len(values) == SIZE
        assert len(set(values.tolist())) == 1
        return int(values[0])

    return store.read(key, load)


def test_what_was_kept_comes_back_and_an_unknown_key_is_none(tmp_path: Path) -> None:
    said: list[str] = []
    store = cache(tmp_path / "new" / "stages", said)
    assert value_of(store, "a") is None
    keep(store, "a", 1)
    keep(store, "b", 2)
    assert (value_of(store, "a"), value_of(store, "b")) == (1, 2)
    keep(store, "a", 3)
    assert value_of(store, "a") == 3
    assert said == []


def test_fresh_reads_nothing_and_replaces_what_is_there(tmp_path: Path) -> None:
    keep(cache(tmp_path), "a", 1)
    fresh = cache(tmp_path, fresh=True)
    assert value_of(fresh, "a") is None
    keep(fresh, "a", 2)
    assert value_of(cache(tmp_path), "a") == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "lose", "add", "no checksums", "no sense"])
def test_a_damaged_entry_is_told_in_a_line_and_kept_anew(tmp_path: Path, damage: str) -> None:
    said: list[str] = []
    store = cache(tmp_path, said)
    keep(store, "a")
    array, checksums = tmp_path / "a" / "arrays" / "values.npy", tmp_path / "a" / "checksums.json"
    raw = bytearray(array.read_bytes())
    if damage == "cut":
        array.write_bytes(raw[:-1])
    elif damage == "flip":
        raw[-1] ^= 1
        array.write_bytes(raw)
    elif damage == "lose":
        array.unlink()
    elif damage == "add":
        (tmp_path / "a" / "more").touch()
    elif damage == "no checksums":
        checksums.unlink()
    else:
        checksums.write_text('{"arrays/values.npy": 1}')
    assert value_of(store, "a") is None
    assert len(said) == 1
    assert said[0].startswith("what was kept as a is damaged and is worked out again: ")
    keep(store, "a")
    assert value_of(store, "a") == 1


def test_an_entry_that_its_reader_cannot_use_is_no_entry(tmp_path: Path) -> None:
    said: list[str] = []
    store = cache(tmp_path, said)
    keep(store, "a")
    assert store.read("a", lambda src: src.array("others")) is None
    assert "arrays/others.npy is missing" in said[0]


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store = cache(tmp_path, most=4 * SIZE)  # an entry has its checksums beside the array: three fit
    for position, key in enumerate("abc"):
        keep(store, key)
        os.utime(tmp_path / key, (position, position))
    assert value_of(store, "a") == 1
    keep(store, "d")
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["a", "c", "d"]


def test_what_is_larger_than_all_room_takes_nobody_s_place(tmp_path: Path) -> None:
    said: list[str] = []
    store = cache(tmp_path, said, most=2 * SIZE)
    keep(store, "a")
    store.write("b", lambda out: out.array("values", np.zeros(3 * SIZE, np.uint8)))
    assert value_of(store, "a") == 1
    assert "more than RECSYS_STAGES_GB allows" in said[0]


def test_without_room_nothing_is_kept_or_read(tmp_path: Path) -> None:
    keep(cache(tmp_path / "none", most=0), "a")
    assert not (tmp_path / "none").exists()
    keep(cache(tmp_path), "a")
    assert value_of(cache(tmp_path, most=0), "a") is None


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    store = cache(tmp_path / "file" / "stages", said)
    assert value_of(store, "a") is None
    keep(store, "a")
    assert said[0].startswith("nothing is kept for the next rebuild: ")


def test_an_entry_that_could_not_be_written_is_absent(tmp_path: Path) -> None:
    def fail(out: SnapshotWriter) -> None:
        out.array("values", np.zeros(SIZE, np.uint8))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache(tmp_path).write("a", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_process_killed_at_any_change_of_names_leaves_all_or_nothing_and_no_debris_for_long(tmp_path: Path) -> None:
    n_kills = 0
    for n_changes in range(1, 30):
        root = tmp_path / str(n_changes)
        keep(cache(root, most=2500), "a", 1)
        keep(cache(root, most=2500), "b", 1)
        done = subprocess.run([sys.executable, "-c", KILLED_AT, str(n_changes), str(root)], check=False)
        said: list[str] = []
        store = cache(root, said)
        assert value_of(store, "a") in (1, 2, None)
        assert said == []
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0
            assert value_of(store, "a") == 2
            break
        n_kills += 1
        keep(store, "c", 3)
        assert value_of(store, "c") == 3
        assert list(root.glob(".part-*")) == []
    else:
        pytest.fail("the last kill still came before the work was done")
    assert n_kills >= 4


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    keep(cache(tmp_path), "a")
    busy, dead = tmp_path / ".part-busy", tmp_path / ".part-dead"
    for folder in (busy, dead):
        folder.mkdir()
        (folder / "half").touch()
    handle = os.open(busy, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    keep(cache(tmp_path), "b")
    assert (busy.exists(), dead.exists()) == (True, False)
    os.close(handle)


def test_the_bound_is_read_in_gigabytes() -> None:
    assert bytes_allowed({}) == 10**10
    assert bytes_allowed({"RECSYS_STAGES_GB": "0.5"}) == 5 * 10**8
    for wrong in ("-1", "much", "nan", "inf", ""):
        with pytest.raises(InputError, match="RECSYS_STAGES_GB must be a number of gigabytes"):
            bytes_allowed({"RECSYS_STAGES_GB": wrong})
