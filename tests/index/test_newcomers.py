"""Whoever comes for the first time is ordered by what did best for such people, where there were enough to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from index.heads import NEWCOMERS, Head
from index.selection import Chosen, Contender, choose
from index.worth import KEPT
from recsys.ask import Ask
from recsys.fusion import SOURCE, Fusion
from recsys.model import Snapshot
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.store import SnapshotStore

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
# Two windows of 28 days: the shop's half year ends on day 182. Of each copy of its users, the day they come.
COPIES = (0, 0, 126, 154)
SETTINGS = '[training]\nwindows = 2\n[sources]\noff = ["ease", "user-knn", "item-knn", "item2vec", "two-tower"]\n'
Rebuilt = Callable[..., tuple[Snapshot, Manifest, str]]


@pytest.fixture
def rebuilt(corner_shop: Any, tmp_path: Path, index_command: Callable[..., Any]) -> Rebuilt:
    """``rebuilt(*words)``: of a shop a quarter of whose users come in each of its two windows."""
    tables = [
        (named(corner_shop.events, copy).filter(pl.col("timestamp") >= FIRST + timedelta(days=day)), copy)
        for copy, day in enumerate(COPIES)
    ]
    users = pl.concat([named(corner_shop.users, copy) for _, copy in tables])
    shop = replace(corner_shop, events=pl.concat([events for events, _ in tables]), users=users)
    folder = shop.write(tmp_path / "data")
    (folder / "recsys.toml").write_text(SETTINGS, encoding="utf-8")

    def rebuild(*words: str) -> tuple[Snapshot, Manifest, str]:
        places = ("--data", folder, "--snapshots", tmp_path / "snapshots", "--cache", tmp_path / "cache")
        done = index_command("rebuild", *places, *words)
        assert done.code == 0, done.err
        store = SnapshotStore(tmp_path / "snapshots")
        return Snapshot.read(store.open(store.current())), store.manifest(store.current()), done.err

    return rebuild


def named(table: pl.DataFrame, copy: int) -> pl.DataFrame:
    return table.with_columns(pl.col("user_id") + f"/{copy}")


def test_newcomers_have_an_order_of_their_own_which_the_manifest_tells(
    rebuilt: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.select_or_reuse.LEAST_NEWCOMERS", 10)
    snapshot, manifest, said = rebuilt()
    assert set(snapshot.pipeline.fusions) == {"home", "discover", "newcomers"}
    choice = manifest.fusion_choices["newcomers"]
    assert f"newcomers are ordered by {choice.why}" in said
    assert choice.fusion == snapshot.pipeline.fusions["newcomers"].label
    nobody = snapshot.recommend(Ask(at=snapshot.last_event_at + 1, limit=5))
    assert len(nobody.slate) == 5
    # The same data again: read from the selection, and the same files but for the report of the contenders.
    again, repeated, said = rebuilt()
    assert "reused the selection of" in said
    changed = {name for name in {**manifest.files, **repeated.files} if manifest.files[name] != repeated.files[name]}
    assert changed <= {"report.json"}
    assert again.pipeline.fusions["newcomers"] == snapshot.pipeline.fusions["newcomers"]


def test_a_source_whose_order_newcomers_have_stays_although_it_wins_nothing_for_others(
    rebuilt: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(head: Head, *arguments: Any, **options: Any) -> Chosen:
        if head is NEWCOMERS:
            options["only"] = Contender(Fusion(SOURCE, source="trending"), None)
        return choose(head, *arguments, **options)

    monkeypatch.setattr("index.select_or_reuse.LEAST_NEWCOMERS", 10)
    monkeypatch.setattr("index.select_or_reuse.choose", chosen)
    monkeypatch.setattr("index.worth.LEAST_GAIN", 9.0)
    for _ in range(2):  # chosen, and read from what was kept
        snapshot, manifest, said = rebuilt()
        assert "note: left out, for they win too little: " in said
        assert snapshot.pipeline.fusions["newcomers"].source == "trending"
        whys = {choice.source: choice.why for choice in manifest.source_choices if choice.kept}
        assert whys["trending"] == "newcomers are ordered by it, whatever it wins elsewhere"
        assert not whys.keys() - {"trending", *KEPT}
        assert len(snapshot.recommend(Ask(at=snapshot.last_event_at + 1, limit=5)).slate) == 5


def test_too_few_newcomers_are_ordered_like_everyone_and_that_is_said(
    rebuilt: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.select_or_reuse.LEAST_NEWCOMERS", 100_000)
    monkeypatch.setattr("index.worth.LEAST_GAIN", -9.0)
    snapshot, manifest, said = rebuilt()
    assert "newcomers" not in snapshot.pipeline.fusions
    assert "newcomers" not in manifest.fusion_choices
    assert "newcomers are ordered like everyone" in said
    assert "it takes 100000 to tell" in said
    assert "note: no source is left out: " in said
