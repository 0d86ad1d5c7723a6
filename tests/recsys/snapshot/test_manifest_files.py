"""Files that are not what the manifest says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import SnapshotCorrupt
from recsys.snapshot.manifest import Manifest, file_problems, verify_files


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def link(path: Path) -> None:
    twin = path.parent.parent.parent / "twin"
    path.rename(twin)
    path.symlink_to(twin)


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [flip, grow, link, become_a_pipe, become_a_folder, Path.unlink])
def test_every_damaged_file_is_named(
    tmp_path: Path, facts: dict[str, Any], write_files: Callable[[Path], None], damage: Callable[[Path], None]
) -> None:
    for number, name in enumerate(sorted(("arrays/als.factors.npy", "rankers/home.txt", "indexes/content.faiss"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_files(folder)
        manifest = Manifest.seal(folder, **facts)
        damage(folder / name)
        with pytest.raises(SnapshotCorrupt, match=name):
            verify_files(folder, manifest)
        assert len(file_problems(folder, manifest)) == 1


def test_an_unlisted_file_is_named_wherever_it_lies(sealed: Path) -> None:
    manifest = Manifest.read(sealed)
    for extra in ("arrays/extra.npy", ".hidden", "deep/er/x.so"):
        (sealed / extra).parent.mkdir(parents=True, exist_ok=True)
        (sealed / extra).write_bytes(b"x")
        with pytest.raises(SnapshotCorrupt, match=f"'{extra}' is not listed"):
            verify_files(sealed, manifest)
        (sealed / extra).unlink()
    (sealed / "deep" / "er").rmdir()
    (sealed / "deep" / "er").symlink_to("/etc")
    with pytest.raises(SnapshotCorrupt, match="deep/er"):
        verify_files(sealed, manifest)


def test_all_problems_are_counted_and_the_first_by_name_is_told(sealed: Path) -> None:
    manifest = Manifest.read(sealed)
    flip(sealed / "indexes" / "content.faiss")
    (sealed / "arrays" / "als.factors.npy").unlink()
    (sealed / "zzz").touch()
    with pytest.raises(SnapshotCorrupt, match=r"arrays/als\.factors\.npy is missing \(and 2 more\)"):
        verify_files(sealed, manifest)
