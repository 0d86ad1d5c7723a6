"""Filling the cache: what is missing or damaged is compiled, what cannot be is said once, the rest goes on."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.compiled.toolchain import why_not
from recsys.errors import CodeRefused, InputError, SnapshotCorrupt
from server.compile_rankers import compile_rankers
from server.settings import Settings

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

COMMAND = [sys.executable, "-m", "server.compile_rankers"]


@pytest.fixture
def settings(tmp_path: Path, settings_for: Callable[..., Settings]) -> Settings:
    return settings_for(tmp_path / "snapshots", compiled_cache=tmp_path / "forests")


def files(settings: Settings) -> dict[str, int]:
    assert settings.compiled_cache is not None
    return {path.name: path.stat().st_ino for path in settings.compiled_cache.glob("*.forest")}


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [(record.getMessage(), record.__dict__["fields"]) for record in caplog.records]


def test_each_ranker_is_compiled_once(
    settings: Settings, publish: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    version = publish(settings.snapshots, ranked=True)

    with caplog.at_level(logging.INFO):
        assert compile_rankers(settings, version)
        first = files(settings)
        assert compile_rankers(settings, version)

    assert len(first) == 2
    assert files(settings) == first
    assert [(event, fields["ranker"]) for event, fields in events(caplog)] == [
        ("ranker compiled", "discover"),
        ("ranker compiled", "home"),
    ]


def test_a_damaged_file_is_compiled_anew(settings: Settings, publish: Callable[..., str]) -> None:
    version = publish(settings.snapshots, ranked=True)
    compile_rankers(settings, version)
    assert settings.compiled_cache is not None
    damaged = settings.compiled_cache / min(files(settings))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])

    assert compile_rankers(settings, version)

    assert damaged.read_bytes() == whole


def test_a_ranker_that_the_compiler_gets_wrong_is_said_and_not_kept_and_the_other_is_compiled(
    settings: Settings, publish: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    version = publish(settings.snapshots, ranked=True, linear_tree=True)

    with caplog.at_level(logging.INFO):
        assert not compile_rankers(settings, version)

    (failed, fields), (compiled, _) = events(caplog)
    assert (failed, compiled) == ("ranker not compiled, LightGBM scores", "ranker compiled")
    assert (fields["ranker"], fields["error"]) == ("discover", "CodeRefused")
    assert len(files(settings)) == 1


def test_old_forests_are_pruned(settings: Settings, publish: Callable[..., str]) -> None:
    assert settings.compiled_cache is not None
    settings.compiled_cache.mkdir(mode=0o700)
    old = [settings.compiled_cache / f"{number:064x}.forest" for number in range(9)]
    for age, path in enumerate(old):
        path.write_bytes(b"")
        os.utime(path, (1000 + age, 1000 + age))

    assert compile_rankers(settings, publish(settings.snapshots, ranked=True))

    assert [path.exists() for path in old] == [False] * 3 + [True] * 6
    assert len(files(settings)) == 8


def test_an_unsafe_folder_is_refused(settings: Settings, publish: Callable[..., str]) -> None:
    version = publish(settings.snapshots, ranked=True)
    assert settings.compiled_cache is not None
    settings.compiled_cache.mkdir()
    settings.compiled_cache.chmod(0o770)

    with pytest.raises(CodeRefused, match="can be written by others"):
        compile_rankers(settings, version)


def test_nothing_of_an_altered_snapshot_is_compiled(settings: Settings, publish: Callable[..., str]) -> None:
    version = publish(settings.snapshots, ranked=True)
    ranker = settings.snapshots / version / "rankers" / "home.txt"
    ranker.write_text(ranker.read_text().replace("leaf_value=", "leaf_value=1", 1))

    with pytest.raises(SnapshotCorrupt, match=r"rankers/home\.txt"):
        compile_rankers(settings, version)
    assert settings.compiled_cache is not None
    assert not settings.compiled_cache.exists()


def test_the_command_fails_in_one_line_without_its_parent() -> None:
    alone = subprocess.run([*COMMAND, "v1"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert alone.returncode == 1
    assert "is started by recsys-server, not by hand" in alone.stderr
    assert len(alone.stderr.splitlines()) == 1


def test_a_cache_that_cannot_be_written_is_one_sentence(settings: Settings, publish: Callable[..., str]) -> None:
    version = publish(settings.snapshots, ranked=True)
    assert settings.compiled_cache is not None
    settings.compiled_cache.write_text("in the way")

    with pytest.raises(InputError, match="cannot be written: "):
        compile_rankers(settings, version)
