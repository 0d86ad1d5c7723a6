from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import InputError, NoSnapshot, NotFound, SchemaMismatch, SnapshotCorrupt
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.signature import HmacKey
from recsys.snapshot.store import SnapshotStore

Build = Callable[..., str]
KEY = HmacKey(bytes(range(32)))
OUTSIDE = [
    "../outside",
    "/etc",
    "..",
    ".",
    "",
    "CURRENT",
    ".staging-x",
    "20260102T030405Z-0123456789ab/../../x",
    "a\x00",
]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


def built(build: Build, store: SnapshotStore, n: int) -> list[str]:
    return [build(store, built_at=f"2026-01-{day:02d}T00:00:00+00:00") for day in range(1, n + 1)]


def left_over(root: Path) -> set[str]:
    """Names that are no version and not part of the store's own bookkeeping."""
    own = {"CURRENT", "HISTORY", ".rebuild.lock", ".publish.lock"}
    return {path.name for path in root.iterdir()} - own - set(SnapshotStore(root).versions())


def test_a_committed_snapshot_is_listed_and_a_published_one_is_current(build: Build, store: SnapshotStore) -> None:
    assert store.versions() == []
    with pytest.raises(NoSnapshot, match="no snapshot has been published"):
        store.current()
    version = build(store)
    assert store.versions() == [version]
    with pytest.raises(NoSnapshot):
        store.current()
    store.publish(version)
    assert store.current() == version
    assert store.open(version).text("rankers/home.txt") == "tree\nversion=v4\n"
    assert store.manifest(version).version == version
    assert store.problems(version) == []


def test_versions_are_in_order_of_age(build: Build, store: SnapshotStore) -> None:
    later = build(store, built_at="2026-02-01T00:00:00Z")
    earlier = build(store, built_at="2025-02-01T00:00:00Z")
    assert store.versions() == [earlier, later]


@pytest.mark.parametrize("version", [*OUTSIDE, "20260102T030405Z-0123456789ab"])
def test_a_version_that_is_unknown_or_points_outside_is_not_found(
    build: Build, store: SnapshotStore, root: Path, version: str
) -> None:
    current = build(store)
    store.publish(current)
    (root.parent / "outside").mkdir()
    for ask in (store.open, store.manifest, store.publish, store.problems, store.signature):
        with pytest.raises(NotFound):
            ask(version)
    assert store.current() == current


def test_a_version_that_is_a_link_is_not_a_snapshot(build: Build, store: SnapshotStore, root: Path) -> None:
    version = build(store)
    (root / version).rename(root.parent / "elsewhere")
    (root / version).symlink_to(root.parent / "elsewhere")
    assert store.versions() == []
    with pytest.raises(NotFound):
        store.open(version)


@pytest.mark.parametrize("text", ["", "\n", "../outside\n", "20260102T030405Z-0123456789ab\n", "\xff", "x" * 10_000])
def test_a_garbled_current_is_refused_and_mended_by_publishing(
    build: Build, store: SnapshotStore, root: Path, text: str
) -> None:
    version = build(store)
    (root / "CURRENT").write_text(text, encoding="latin-1")
    with pytest.raises(SnapshotCorrupt, match="CURRENT"):
        store.current()
    with pytest.raises(SnapshotCorrupt, match="CURRENT"):
        store.prune(1)
    store.publish(version)
    assert store.current() == version


def test_every_kind_of_damage_to_every_file_is_refused_by_name_and_never_published(
    build: Build, store: SnapshotStore, root: Path, tmp_path: Path
) -> None:
    healthy, victim = built(build, store, 2)
    store.publish(healthy)
    folder, copy = root / victim, tmp_path / "copy"
    shutil.copytree(folder, copy)
    for name in sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()):
        raw = (copy / name).read_bytes()
        flips = [raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :] for at in {0, len(raw) // 2, len(raw) - 1}]
        cuts = [raw[: len(raw) * tenths // 10] for tenths in range(10)]
        for damaged in (*flips, *cuts, raw + b"\n", None):
            (folder / name).unlink()
            if damaged is not None:
                (folder / name).write_bytes(damaged)
            for ask in (store.open, store.publish):
                with pytest.raises((SnapshotCorrupt, SchemaMismatch)) as refusal:
                    ask(victim)
                assert f"{victim}: {name}" in str(refusal.value)
            (folder / name).write_bytes(raw)
    assert store.current() == healthy
    store.publish(victim)
    assert store.current() == victim


def test_a_snapshot_under_another_ones_name_is_refused(build: Build, store: SnapshotStore, root: Path) -> None:
    first, second = built(build, store, 2)
    shutil.rmtree(root / second)
    (root / first).rename(root / second)
    with pytest.raises(SnapshotCorrupt, match=f"{second}: manifest.json is that of {first}"):
        store.open(second)


def test_a_store_with_a_key_takes_only_what_the_key_signed(build: Build, store: SnapshotStore, root: Path) -> None:
    guarded = SnapshotStore(root, verify_key=KEY)
    unsigned, signed, foreign = (
        build(store, key, seed=seed) for seed, key in enumerate((None, KEY, HmacKey(bytes(32))))
    )
    guarded.publish(signed)
    assert guarded.open(signed).has("als.factors")
    for version in (unsigned, foreign):
        for ask in (guarded.open, guarded.manifest, guarded.publish):
            with pytest.raises(SnapshotCorrupt, match=rf"{version}: manifest\.sig"):
                ask(version)
        assert store.open(version).has("als.factors")
    assert guarded.current() == signed


def test_a_manifest_made_to_fit_altered_files_is_refused_by_its_signature(
    build: Build, store: SnapshotStore, root: Path, facts: dict[str, Any]
) -> None:
    version = build(store, KEY)
    (root / version / "rankers" / "home.txt").write_text("tree\nversion=evil\n")
    (root / version / "manifest.json").unlink()
    forged = Manifest.seal(root / version, **facts).version
    (root / version).rename(root / forged)
    assert store.open(forged).text("rankers/home.txt") == "tree\nversion=evil\n"
    with pytest.raises(SnapshotCorrupt, match="not the signature of this"):
        SnapshotStore(root, verify_key=KEY).open(forged)


def test_rolling_back_steps_through_what_was_current_and_refuses_at_the_end(build: Build, store: SnapshotStore) -> None:
    with pytest.raises(NoSnapshot):
        store.roll_back()
    first, second, third = built(build, store, 3)
    store.publish(first)
    with pytest.raises(InputError, match=f"no version was current before {first}"):
        store.roll_back()
    for version in (second, second, third, first):
        store.publish(version)
    assert [store.roll_back(), store.roll_back(), store.roll_back()] == [third, second, first]
    assert store.current() == first
    with pytest.raises(InputError, match="no version was current before"):
        store.roll_back()


def test_rolling_back_skips_pruned_versions_and_refuses_damaged_ones(
    build: Build, store: SnapshotStore, root: Path
) -> None:
    first, second, third = built(build, store, 3)
    for version in (first, second, third):
        store.publish(version)
    shutil.rmtree(root / second)
    (root / first / "rankers" / "home.txt").write_text("tree")
    with pytest.raises(SnapshotCorrupt, match=rf"{first}: rankers/home\.txt"):
        store.roll_back()
    assert store.current() == third


def test_prune_keeps_the_newest_and_never_deletes_the_current_one(
    build: Build, store: SnapshotStore, root: Path
) -> None:
    assert store.prune(3) == []
    versions = built(build, store, 5)
    store.publish(versions[1])
    assert store.prune(9) == []
    assert store.prune(2) == [versions[0], versions[2]]
    assert store.versions() == [versions[1], versions[3], versions[4]]
    assert store.prune(1) == [versions[3]]
    assert store.current() == versions[1]
    store.open(versions[1])
    assert left_over(root) == set()
    for keep in (0, -1):
        with pytest.raises(InputError, match=f"keep must be at least 1, got {keep}"):
            store.prune(keep)


def test_prune_without_a_current_version_keeps_the_newest(build: Build, store: SnapshotStore) -> None:
    first, second = built(build, store, 2)
    assert store.prune(1) == [first]
    assert store.versions() == [second]


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
