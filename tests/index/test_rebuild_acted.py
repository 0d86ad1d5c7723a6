"""Rebuilds of a shop where most people only look: what its rankers learnt from is made where it is needed, and told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from index.heads import BY_ALL, Head
from index.selection import Chosen, Contender, choose
from recsys.fusion import FOREST, Fusion

MADE = "stage candidates of all who did anything "
TOLD = "few take and many do something: rankers may learn from all they did in 2 of the windows"
REUSED = "note: reused the selection of 2025-06-27: "
SETTINGS = '[training]\nwindows = 2\n[sources]\noff = ["ease", "user-knn", "item-knn", "item2vec", "two-tower"]\n'


@pytest.fixture
def rebuild(
    corner_shop: Any, tmp_path: Path, index_command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """``rebuild(until)``: what it said. Everybody looks at what they buy, and twice as many as buy look."""
    monkeypatch.setattr("index.windows.MANY_ACTORS", 1)
    looks = corner_shop.events.with_columns(event_type=pl.lit("view"))
    shop = replace(corner_shop, events=pl.concat([corner_shop.events, looks]))
    folder = shop.write(tmp_path / "data", SETTINGS)

    def run(until: str) -> str:
        places = ("--data", folder, "--snapshots", tmp_path / "snapshots", "--cache", tmp_path / "cache")
        done = index_command("rebuild", *places, "--until", until)
        assert done.code == 0, done.err
        return str(done.err)

    return run


def always_by_all(head: Head, *arguments: Any, **options: Any) -> Chosen:
    """As if nothing else had been compared for ``home``; of what is new there is too little here to learn from."""
    if head.name == "home":
        options["only"] = Contender(Fusion(FOREST), BY_ALL)
    return choose(head, *arguments, **options)


def test_rows_of_all_that_users_did_are_made_again_only_for_who_learns_from_them(rebuild: Callable[[str], str]) -> None:
    first = rebuild("2025-06-28")
    assert TOLD in first
    assert first.count(MADE) == 2
    assert "(broad + ranked by all)" not in first.split("orders by")[1].split(":")[0]
    later = rebuild("2025-06-29")
    assert REUSED in later
    assert TOLD not in later
    assert MADE not in later


def test_who_learns_from_them_does_so_at_the_next_rebuild_and_is_chosen_anew_where_there_are_none(
    rebuild: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.select_or_reuse.choose", always_by_all)
    assert "serving config home orders by forest (broad + ranked by all): NDCG@10" in rebuild("2025-06-28")
    monkeypatch.setattr("index.select_or_reuse.choose", choose)
    monkeypatch.setattr("index.select_or_reuse.LEAST_OF_THEN", 0.5)
    later = rebuild("2025-06-29")
    assert REUSED in later
    assert later.count(MADE) == 2
    assert "serving config home orders by forest (broad + ranked by all): NDCG@10" in later
    monkeypatch.setattr("index.windows.FEW_TAKERS", 0)
    last = rebuild("2025-06-30")
    assert "home learnt from all that users did, and these data are not learnt from so" in last
    assert REUSED not in last
    assert "by all)" not in last
