from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from index.builder import Builder
from index.dataset import load
from index.learn import learn, plan
from index.progress import Stages
from index.rows_beside import rows_beside
from index.stage_cache import StageCache

END_S = 1_750_982_400  # 2025-06-27
NOTHING: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def data(corner_shop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ids and times alone, so that no text is encoded."""
    folder = tmp_path_factory.mktemp("shop")
    corner_shop.events.write_parquet(folder / "events.parquet")
    (folder / "recsys.toml").write_text("[training]\nwindows = 4\nhorizon_days = 7\n")
    return folder


def builder_of(data: Path, cache: Path, *, fresh: bool = False, most_bytes: int = 10**9) -> Builder:
    stages = Stages(console=Console(file=io.StringIO(), width=200))
    kept = StageCache(cache, most_bytes, fresh=fresh)
    return Builder.of(load(data, None, now=END_S, until=END_S), cache=cache / "texts", stages=stages, kept=kept)


def rows_in(cache: Path) -> dict[str, bytes]:
    """The checksums of every file that is kept, by entry."""
    return {path.parent.name: path.read_bytes() for path in cache.glob("*/checksums.json")}


def said(builder: Builder) -> str:
    file = builder.stages.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_rows_made_beside_are_those_made_here_to_the_byte(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = builder_of(data, tmp_path / "here")
    windows = plan(here, END_S)
    assert len(windows.older_half) == 2
    expected = learn(here, windows)
    monkeypatch.setattr("index.rows_beside.n_cores", lambda: 2)
    monkeypatch.setattr("index.rows_beside.LEAST_EVENTS", 0)
    there = builder_of(data, tmp_path / "there")
    found = learn(there, windows)
    assert said(there).count("kept by the process beside this one") == 2
    assert said(there).count("stage fit sources before") == 2
    assert rows_in(tmp_path / "there") == rows_in(tmp_path / "here")
    assert [one.window for one in found.windows] == [one.window for one in expected.windows]
    assert found.names == expected.names


def test_rows_of_a_process_that_was_killed_are_made_here(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.rows_beside.n_cores", lambda: 2)
    monkeypatch.setattr("index.rows_beside.LEAST_EVENTS", 0)
    builder = builder_of(data, tmp_path / "cache")
    windows = plan(builder, END_S)
    with rows_beside(builder, windows.older_half, off=NOTHING) as beside:
        assert beside.process is not None
        beside.process.kill()
        beside.wait()
        assert beside.process.exitcode == -9
    oldest, extent = next(iter(windows.older_half.items()))
    found = builder.labelled(oldest, extent, off=NOTHING)
    assert found is not None
    assert found[1] is not None  # worked out here


def test_the_process_ends_with_the_block(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.rows_beside.n_cores", lambda: 2)
    monkeypatch.setattr("index.rows_beside.LEAST_EVENTS", 0)
    builder = builder_of(data, tmp_path / "cache")
    with (
        pytest.raises(KeyboardInterrupt),
        rows_beside(builder, plan(builder, END_S).older_half, off=NOTHING) as beside,
    ):
        raise KeyboardInterrupt
    assert beside.process is not None
    assert not beside.process.is_alive()


@pytest.mark.parametrize(
    ("cores", "least", "flags"),
    [
        (1, 0, {}),
        (2, 10**9, {}),
        (2, 0, {"fresh": True}),
        (2, 0, {"most_bytes": 0}),
    ],
)
def test_nothing_runs_beside_where_it_would_gain_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, least: int, flags: dict[str, Any]
) -> None:
    monkeypatch.setattr("index.rows_beside.n_cores", lambda: cores)
    monkeypatch.setattr("index.rows_beside.LEAST_EVENTS", least)
    builder = builder_of(data, tmp_path / "cache", **flags)
    with rows_beside(builder, plan(builder, END_S).older_half, off=NOTHING) as beside:
        assert beside.process is None
        assert not beside.windows


def test_nothing_runs_beside_for_rows_that_are_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.rows_beside.n_cores", lambda: 2)
    builder = builder_of(data, tmp_path / "cache")
    windows = plan(builder, END_S)
    learn(builder, windows)
    monkeypatch.setattr("index.rows_beside.LEAST_EVENTS", 0)
    with rows_beside(builder, windows.older_half, off=NOTHING) as beside:
        assert beside.process is None
