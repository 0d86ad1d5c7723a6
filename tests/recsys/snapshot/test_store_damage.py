"""What was damaged, moved, or signed by nobody trusted is refused by name and never published."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import SchemaMismatch, SnapshotCorrupt
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.signature import HmacKey
from recsys.snapshot.store import SnapshotStore

from .stores import built

Build = Callable[..., str]
KEY = HmacKey(bytes(range(32)))


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
