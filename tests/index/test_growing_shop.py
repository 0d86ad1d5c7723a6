"""Rebuilds of a shop that has only just grown large enough for two towers, by the real command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
# Two windows of 28 days: the shop's half year ends on day 182.
NEWEST_START, OLDEST_START = 154, 126
SETTINGS = '[training]\nwindows = 2\n[sources]\noff = ["ease", "user-knn", "item-knn", "segment", "first"]\n'


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot, its report, and what the rebuild said."""

    snapshot: Snapshot
    report: Any
    output: str


@pytest.fixture
def rebuilt(corner_shop: Any, tmp_path: Path, index_command: Callable[..., Any]) -> Callable[[int], Published]:
    """``rebuilt(day)``: of the corner shop's users thrice, and a fourth time from ``day`` on."""

    def rebuild(day: int) -> Published:
        late = pl.col("timestamp") >= FIRST + timedelta(days=day)
        copies = [named(corner_shop.events, copy).filter(late | pl.lit(copy < 3)) for copy in range(4)]
        users = pl.concat([named(corner_shop.users, copy) for copy in range(4)])
        folder = replace(corner_shop, events=pl.concat(copies), users=users).write(tmp_path / "data")
        (folder / "recsys.toml").write_text(SETTINGS, encoding="utf-8")
        words = ("--data", folder, "--snapshots", tmp_path / "snapshots", "--cache", tmp_path / "cache")
        done = index_command("rebuild", *words)
        assert done.code == 0, done.err
        store = SnapshotStore(tmp_path / "snapshots")
        files = store.open(store.current())
        return Published(Snapshot.read(files), files.json("report.json"), done.err)

    return rebuild


def named(table: pl.DataFrame, copy: int) -> pl.DataFrame:
    return table.with_columns(pl.col("user_id") + f"/{copy}")


def test_a_window_too_early_for_the_towers_is_learnt_from_all_the_same(rebuilt: Callable[[int], Published]) -> None:
    published = rebuilt(OLDEST_START)
    stages = ("stage train two", "stage fit sources")
    told = [line.split(" done")[0] for line in published.output.splitlines() if line.startswith(stages)]
    # What is fitted on everything depends on whether the towers pay.
    assert told[:3] == [
        "stage train two towers",
        "stage fit sources before 2025-06-03",
        "stage fit sources before 2025-05-06",
    ]
    # Forests were judged on the newest window, so there was an older one to train them on.
    assert {"forest (small)", "source two-tower"} <= set(published.report["validation"]["tasks"]["novel"])


def test_towers_that_no_window_could_have_are_left_out_and_nothing_else_is_lost(
    rebuilt: Callable[[int], Published],
) -> None:
    published = rebuilt(NEWEST_START)
    assert "left out, for no window had enough data for them: two-tower" in published.output
    assert "fused by rank" not in published.output
    assert "two-tower" not in published.snapshot.pipeline.sources
    assert set(published.snapshot.pipeline.fusions) == {"home", "discover"}
