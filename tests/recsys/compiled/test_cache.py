"""What lies in the cache is run: it must be whole, this user's alone, and of this machine."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.arrays import Float32
from recsys.compiled.cache import ForestCache
from recsys.compiled.compiler import compile_forest
from recsys.compiled.machine_code import MachineCode
from recsys.errors import CodeRefused, InputError
from recsys.ranker import Forest

ONE, OTHER = "1" * 64, "2" * 64


@pytest.fixture
def cache(tmp_path: Path) -> ForestCache:
    return ForestCache(tmp_path / "new" / "forests", "compiler 1\nthis machine")


@pytest.fixture
def file(cache: ForestCache, code: MachineCode) -> Path:
    """The file of the forest ONE, put into ``cache``."""
    with cache.locked() as work:
        cache.put(ONE, code, 12, work)
    return cache.folder / f"{cache.key(ONE)}.forest"


def refusal(cache: ForestCache, forest: str = ONE, n_features: int = 12) -> str:
    with pytest.raises(CodeRefused) as raised:
        cache.load(forest, n_features)
    return str(raised.value)


def test_what_was_put_is_loaded_and_scores(
    cache: ForestCache, file: Path, forest: Forest, rows_of: Callable[[int, int], Float32]
) -> None:
    rows = rows_of(50, 1)

    assert cache.load(ONE, 12).score(rows).tobytes() == forest.score(rows).tobytes()
    assert cache.has(ONE, 12)
    assert not cache.has(OTHER, 12)


def test_folder_and_file_are_private_whatever_the_umask(tmp_path: Path, code: MachineCode) -> None:
    cache = ForestCache(tmp_path / "forests", "")
    before = os.umask(0)
    try:
        with cache.locked() as work:
            cache.put(ONE, code, 12, work)
    finally:
        os.umask(before)

    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((cache.folder / f"{cache.key(ONE)}.forest").stat().st_mode) == 0o600
    assert cache.load(ONE, 12)


def test_the_key_follows_the_forest_and_the_toolchain(tmp_path: Path) -> None:
    keys = [ForestCache(tmp_path, toolchain).key(forest) for toolchain in ("a", "b") for forest in (ONE, OTHER)]

    assert len(set(keys)) == 4
    assert keys == [ForestCache(tmp_path, toolchain).key(forest) for toolchain in ("a", "b") for forest in (ONE, OTHER)]


def test_any_altered_byte_and_any_cut_are_refused_before_anything_runs(cache: ForestCache, file: Path) -> None:
    raw = file.read_bytes()
    for position in (0, 70, 100, 400, len(raw) - 1):
        file.write_bytes(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :])
        assert "was altered" in refusal(cache)
    for length in (0, 64, 65, 100, len(raw) - 1):
        file.write_bytes(raw[:length])
        assert "was altered" in refusal(cache)
    file.write_bytes(raw)
    assert cache.load(ONE, 12)


def test_a_file_under_another_name_or_for_another_width_is_refused(cache: ForestCache, file: Path) -> None:
    file.with_name(f"{cache.key(OTHER)}.forest").write_bytes(file.read_bytes())
    os.chmod(file.with_name(f"{cache.key(OTHER)}.forest"), 0o600)

    assert "holds another forest" in refusal(cache, OTHER)
    assert "holds another forest" in refusal(cache, ONE, 13)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_neither_read_nor_written(
    cache: ForestCache, file: Path, code: MachineCode, mode: int
) -> None:
    cache.folder.chmod(mode)

    assert f"can be written by others (mode {mode:04o})" in refusal(cache)
    with pytest.raises(CodeRefused, match="can be written by others"), cache.locked():
        raise AssertionError("the cache was opened")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused(cache: ForestCache, file: Path, mode: int) -> None:
    file.chmod(mode)

    assert "can be written by others" in refusal(cache)


def test_what_belongs_to_another_user_is_refused(
    cache: ForestCache, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)

    assert "belongs to another user" in refusal(cache)


def test_a_link_a_pipe_and_a_folder_in_the_place_of_the_file_are_refused(cache: ForestCache, file: Path) -> None:
    moved = file.rename(file.with_suffix(".moved"))
    file.symlink_to(moved)
    assert "cannot be loaded" in refusal(cache)
    file.unlink()
    os.mkfifo(file, 0o600)
    assert "not a plain file" in refusal(cache)
    file.unlink()
    file.mkdir()
    assert "not a plain file" in refusal(cache)


def test_the_stamp_changes_when_the_file_is_replaced_and_only_then(
    cache: ForestCache, file: Path, code: MachineCode
) -> None:
    first = cache.stamp(ONE)
    assert first is not None
    assert cache.stamp(ONE) == first
    assert cache.stamp(OTHER) is None
    with cache.locked() as work:
        cache.put(ONE, code, 12, work)
    assert cache.stamp(ONE) not in (None, first)


def test_pruning_keeps_those_used_last_and_touches_nothing_else(
    cache: ForestCache, file: Path, code: MachineCode
) -> None:
    forests = [f"{number:064d}" for number in range(5)]
    with cache.locked() as work:
        for age, forest in enumerate(forests):
            cache.put(forest, code, 12, work)
            os.utime(cache.folder / f"{cache.key(forest)}.forest", (1000 + age, 1000 + age))
        (cache.folder / "notes.txt").write_text("mine")
        assert cache.has(forests[0], 12)
        cache.prune(3)

    assert [forest for forest in (*forests, ONE) if cache.stamp(forest)] == [forests[0], forests[4], ONE]
    assert (cache.folder / "notes.txt").exists()


def test_what_a_killed_compilation_left_is_swept_by_the_next(cache: ForestCache, file: Path) -> None:
    left = cache.folder / ".work-dead"
    left.mkdir()
    (left / "forest.o").write_bytes(b"half")

    with cache.locked() as work:
        assert [path.name for path in cache.folder.glob(".work-*")] == [work.name]
    assert list(cache.folder.glob(".work-*")) == []
    assert cache.load(ONE, 12)


def test_one_process_writes_at_a_time(cache: ForestCache) -> None:
    entered = threading.Event()

    def enter() -> None:
        with cache.locked():
            entered.set()

    with cache.locked():
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join()
    assert entered.is_set()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be written: "), ForestCache(tmp_path / "file" / "x", "").locked():
        raise AssertionError("the cache was opened")


def test_a_compiled_forest_serves_on_when_its_file_is_gone(
    cache: ForestCache, file: Path, forest: Forest, rows_of: Callable[[int, int], Float32]
) -> None:
    compiled = cache.load(ONE, 12)
    file.write_bytes(b"")
    file.unlink()

    assert compiled.score(rows_of(20, 2)).tobytes() == forest.score(rows_of(20, 2)).tobytes()


def test_a_folder_used_before_compiles_what_it_is_given_now(
    forest: Forest, trained: Callable[..., Forest], tmp_path: Path
) -> None:
    first = compile_forest(forest.text, 12, tmp_path)

    assert compile_forest(trained(seed=5).text, 12, tmp_path) != first
    assert compile_forest(forest.text, 12, tmp_path) == first
