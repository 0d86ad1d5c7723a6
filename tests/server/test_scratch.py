"""The folder of a server's own, and those of servers that were killed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from server.scratch import scratch

OLD = (1_000_000_000, 1_000_000_000)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_behind(temporary: Path, name: str, *, is_old: bool = True) -> Path:
    folder = temporary / name
    (folder / "statistics").mkdir(parents=True)
    (folder / "lock").touch()
    if is_old:
        os.utime(folder, OLD)
    return folder


def test_it_is_there_while_it_is_needed_and_nobody_elses(temporary: Path) -> None:
    with scratch() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "statistics").mkdir()
    assert list(temporary.iterdir()) == []


def test_what_killed_servers_left_goes_and_what_others_hold_or_have_just_made_stays(temporary: Path) -> None:
    abandoned = left_behind(temporary, "recsys-server-dead")
    young = left_behind(temporary, "recsys-server-young", is_old=False)
    other = temporary / "another-program"
    other.mkdir()
    link = temporary / "recsys-server-link"
    link.symlink_to(other)
    with scratch() as first:
        os.utime(first, OLD)
        with scratch() as second:
            assert first.exists()
            assert second != first
    assert not abandoned.exists()
    assert young.exists()
    assert other.exists()
    assert link.is_symlink()


def test_where_there_can_be_none_that_is_said(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    with pytest.raises(OSError, match="No such file"), scratch():
        pass
