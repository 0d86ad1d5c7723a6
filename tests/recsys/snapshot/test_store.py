"""Which versions a store lists, which one is current, and which are rolled back to or pruned."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.errors import CurrentMoved, InputError, NoSnapshot, NotFound, SnapshotCorrupt, StoreBusy
from recsys.snapshot.durable import exclusive
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.store import SnapshotStore

from .stores import built, left_over

Build = Callable[..., str]
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


def test_publishing_tells_what_was_current_before(build: Build, store: SnapshotStore) -> None:
    first, second = built(build, store, 2)
    assert [store.publish(version) for version in (first, second, second)] == ["", first, second]


def test_publishing_may_depend_on_what_is_current(build: Build, store: SnapshotStore) -> None:
    first, second = built(build, store, 2)
    with pytest.raises(CurrentMoved) as raised:
        store.publish(second, if_current=first)
    assert (raised.value.expected, raised.value.current) == (first, "")
    store.publish(first)
    assert store.publish(second, if_current=first) == first
    with pytest.raises(CurrentMoved):
        store.publish(first, if_current=first)
    assert store.current() == second


def test_publishing_without_waiting_is_refused_while_another_holds_the_folder(
    build: Build, store: SnapshotStore, root: Path
) -> None:
    version = build(store)
    with exclusive(root / ".publish.lock"), pytest.raises(StoreBusy):
        store.publish(version, wait=False)
    with pytest.raises(NoSnapshot):
        store.current()
    store.publish(version, wait=False)
    assert store.current() == version


def test_a_trial_sees_the_verified_files_before_they_are_current_and_can_refuse(
    build: Build, store: SnapshotStore
) -> None:
    first, second = built(build, store, 2)
    store.publish(first)
    seen = []

    def trial(files: SnapshotReader) -> None:
        seen.append((files.text("rankers/home.txt"), store.current()))
        with pytest.raises(StoreBusy):
            store.publish(second, wait=False)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.publish(second, trial=trial)
    assert seen == [("tree\nversion=v4\n", first)]
    assert store.current() == first


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


def test_what_cannot_be_read_does_not_count_as_kept(build: Build, store: SnapshotStore, root: Path) -> None:
    first, second, third, fourth = built(build, store, 4)
    for damaged in (first, third, fourth):
        (root / damaged / "manifest.json").write_bytes(b"{")
    assert store.prune(1) == [first]
    assert store.versions() == [second, third, fourth]
    (root / second / "manifest.json").write_bytes(b"{")
    assert store.prune(1) == []


def test_prune_without_a_current_version_keeps_the_newest(build: Build, store: SnapshotStore) -> None:
    first, second = built(build, store, 2)
    assert store.prune(1) == [first]
    assert store.versions() == [second]
