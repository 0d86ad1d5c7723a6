"""kill -9 at every operation on files: CURRENT is the old version or the new one, and every listed version is whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.snapshot.store import SnapshotStore

Build = Callable[..., str]
DOOMED = Path(__file__).with_name("doomed.py")


@pytest.fixture
def pristine(tmp_path: Path, build: Build) -> Path:
    """A store that published one version, then another, and holds a third that it did not publish."""
    store = SnapshotStore(tmp_path / "pristine")
    for day in (1, 2):
        store.publish(build(store, built_at=f"2026-01-{day:02d}T00:00:00Z"))
    build(store, built_at="2026-01-03T00:00:00Z")
    return tmp_path / "pristine"


def doomed(act: str, pristine: Path, out: Path) -> tuple[list[SnapshotStore], SnapshotStore]:
    """The stores that killed processes left, in order of death, and the one of the process that lived."""
    out.mkdir()
    subprocess.run([sys.executable, DOOMED, act, pristine, out], check=True, timeout=240)
    n_killed = sum(path.name.isdigit() for path in out.iterdir())
    return [SnapshotStore(out / str(n)) for n in range(1, n_killed + 1)], SnapshotStore(out / "done")


def debris(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name.startswith((".staging", ".trash")))


def test_a_rebuild_killed_anywhere_leaves_old_or_new_and_the_next_one_cleans_up(
    pristine: Path, tmp_path: Path, build: Build
) -> None:
    old = SnapshotStore(pristine).current()
    killed, done = doomed("rebuild", pristine, tmp_path / "out")
    new = done.current()
    assert new != old
    assert done.versions() == [new]
    seen: list[str] = []
    n_with_debris = 0
    for n, store in enumerate(killed, start=1):
        root = tmp_path / "out" / str(n)
        seen.append(store.current())
        for version in store.versions():
            store.open(version)
        n_with_debris += bool(debris(root))
        later = build(store, built_at="2026-04-01T00:00:00Z")
        store.publish(later)
        assert debris(root) == []
        assert store.prune(1)
        assert (store.versions(), store.current()) == ([later], later)
    # One change, at one instant, and both sides of it were seen.
    n_old = seen.count(old)
    assert seen == [old] * n_old + [new] * (len(seen) - n_old)
    assert 20 < n_old < len(seen)
    assert n_with_debris > 20


@pytest.mark.parametrize("act", ["publish", "roll_back"])
def test_publishing_and_rolling_back_killed_anywhere_leave_old_or_new_and_a_way_back(
    pristine: Path, tmp_path: Path, act: str
) -> None:
    first, old, third = SnapshotStore(pristine).versions()
    killed, done = doomed(act, pristine, tmp_path / "out")
    new = third if act == "publish" else first
    assert done.current() == new
    seen = []
    for store in killed:
        seen.append(store.current())
        assert store.versions() == [first, old, third]
        # Whatever was half done, the versions that were current before come back in their order.
        if seen[-1] == third:
            assert store.roll_back() == old
        if seen[-1] != first:
            assert store.roll_back() == first
        assert store.current() == first
        store.publish(third)
        assert store.roll_back() == first
    n_old = seen.count(old)
    assert seen == [old] * n_old + [new] * (len(seen) - n_old)
    assert 5 < n_old < len(seen)


def test_nothing_gets_its_final_name_before_it_is_on_disk(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 cannot show a missing fsync, for the kernel lives on: the order of the calls must."""
    calls: list[tuple[str, str]] = []
    real = {name: getattr(os, name) for name in ("fsync", "rename", "replace", "rmdir")}

    def fsync(handle: int) -> None:
        calls.append(("fsync", os.readlink(f"/proc/self/fd/{handle}")))
        real["fsync"](handle)

    def rename(source: Path, target: Path) -> None:
        calls.append(("rename", str(target)))
        real["rename"](source, target)

    def replace(source: Path, target: Path) -> None:
        calls.append(("replace", str(target)))
        real["replace"](source, target)

    def rmdir(path: str, **kwargs: int) -> None:
        calls.append(("rmdir", str(path)))
        real["rmdir"](path, **kwargs)

    root = tmp_path / "snapshots"
    store = SnapshotStore(root)
    first = build(store)
    for name, spy in (("fsync", fsync), ("rename", rename), ("replace", replace), ("rmdir", rmdir)):
        monkeypatch.setattr(os, name, spy)
    second = build(store, seed=8)
    committed = list(calls)
    renamed = committed.index(("rename", str(root / second)))
    synced = {path.partition(".staging-")[2].partition("/")[2] for what, path in committed[:renamed] if what == "fsync"}
    assert synced == {str(path.relative_to(root / second)) for path in (root / second).rglob("*")} | {""}
    assert ("fsync", str(root)) in committed[renamed:]

    calls.clear()
    store.publish(second)
    assert calls == [
        ("fsync", str(root / ".CURRENT.new")),
        ("replace", str(root / "CURRENT")),
        ("fsync", str(root)),
    ]

    calls.clear()
    assert store.prune(1) == [first]
    assert [what for what, _ in calls[:3]] == ["rename", "fsync", "rmdir"]
    assert calls[1] == ("fsync", str(root))
