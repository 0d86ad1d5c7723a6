"""What the second rebuild need not do, and when it does it all the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.model import Snapshot
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.store import SnapshotStore

Run = Callable[..., Any]
KEPT, FITTED, REUSED = ": kept by an earlier build", "stage fit sources before", "note: reused the selection of "
AGAIN = "note: sources and fusions were selected again: "
MAIN = "import sys; from index.cli import main; sys.exit(main(sys.argv[1:]))"
TWO_WINDOWS = "[training]\nwindows = 2\n"
UNTIL = ("--until", "2025-06-28")


@dataclass(frozen=True, slots=True)
class First:
    """A shop, what its first rebuild kept and the manifest it made."""

    shop: Any
    data: Path
    cache: Path
    manifest: Manifest
    said: str


@pytest.fixture
def rebuilt(index_command: Run, tmp_path: Path) -> Run:
    """``rebuilt(data, cache, *words)``: its manifest and what was said."""

    def run(data: Path, cache: Path, *words: object) -> tuple[Manifest, str]:
        root = tmp_path / "snapshots"
        ran = index_command("rebuild", "--data", data, "--snapshots", root, "--cache", cache, *words)
        assert ran.code == 0, ran.err
        store = SnapshotStore(root)
        return store.manifest(store.current()), ran.err

    return run


@pytest.fixture(scope="module")
def made(corner_shop: Any, run_index: Run, tmp_path_factory: pytest.TempPathFactory) -> First:
    """The first rebuild; not to be changed."""
    root = tmp_path_factory.mktemp("first")
    data = corner_shop.write(root / "data", TWO_WINDOWS)
    ran = run_index("rebuild", "--data", data, "--snapshots", root / "snapshots", "--cache", root / "cache", *UNTIL)
    assert ran.code == 0, ran.err
    store = SnapshotStore(root / "snapshots")
    return First(corner_shop, data, root / "cache", store.manifest(store.current()), ran.err)


@pytest.fixture
def first(made: First, tmp_path: Path) -> First:
    """The first rebuild with a copy of its cache, to be changed."""
    shutil.copytree(made.cache, tmp_path / "cache")
    return replace(made, cache=tmp_path / "cache")


def other_data(first: First, folder: Path, events: pl.DataFrame) -> Path:
    """The shop with other events, and its settings."""
    data: Path = replace(first.shop, events=events).write(folder, TWO_WINDOWS)
    return data


def different_files(one: Manifest, other: Manifest) -> set[str]:
    return {name for name in {*one.files, *other.files} if one.files.get(name) != other.files.get(name)}


def test_the_manifest_says_what_each_source_wins_and_costs_and_how_each_config_orders(first: First) -> None:
    table = {choice.source: choice for choice in first.manifest.source_choices}
    assert {"history", "popular", "als", "ease", "next"} <= set(table)
    for choice in table.values():
        assert set(choice.gains) <= {"all", "novel"}
        assert choice.cost_ms > 0
        assert choice.why
        assert choice.kept == (choice.source in first.manifest.sources)
    assert set(first.manifest.fusion_choices) == set(first.manifest.serving_configs)
    assert "NDCG@10" in first.manifest.fusion_choices["home"].why
    assert first.manifest.fusion_choices["similar"].fusion == "reciprocal-rank"
    assert first.manifest.selected_at == first.manifest.event_window_end


def test_verify_shows_the_choices(first: First, rebuilt: Run, index_command: Run, tmp_path: Path) -> None:
    rebuilt(first.data, first.cache, *UNTIL)
    ran = index_command("verify", "--snapshots", tmp_path / "snapshots")
    lines = [line.strip() for line in ran.out.splitlines()]
    assert lines[1] == "chosen on data up to 2025-06-27:"
    assert any(line.startswith("home orders by ") for line in lines)
    assert any(line.startswith("source history: all +") and "kept: " in line for line in lines)


def test_the_same_data_are_read_from_what_was_kept_and_give_the_same_files(first: First, rebuilt: Run) -> None:
    manifest, said = rebuilt(first.data, first.cache, *UNTIL)
    assert FITTED in first.said
    assert REUSED not in first.said
    assert KEPT in said
    assert FITTED not in said
    assert f"{REUSED}2025-06-27: the data are the same" in said
    assert different_files(first.manifest, manifest) == {"report.json"}
    assert manifest.source_choices == first.manifest.source_choices
    assert manifest.fusion_choices == first.manifest.fusion_choices
    assert manifest.selected_at == first.manifest.selected_at


def test_rows_that_are_kept_are_the_rows_that_would_be_made(first: First, rebuilt: Run) -> None:
    """Choosing again from kept rows, and from rows made afresh, gives the files of the first rebuild."""
    for words, kept in ((("--reselect",), True), (("--fresh",), False)):
        manifest, said = rebuilt(first.data, first.cache, *UNTIL, *words)
        assert (KEPT in said) == kept
        assert ("stage choose the fusion of home" in said, REUSED in said) == (True, False)
        assert different_files(first.manifest, manifest) == {"report.json"}


def test_damaged_rows_are_told_and_made_again(first: First, rebuilt: Run) -> None:
    for entry in (first.cache / "stages").iterdir():
        if entry.is_dir():
            path = entry / "arrays" / "frame.features.npy"
            path.write_bytes(path.read_bytes()[:-4])
    manifest, said = rebuilt(first.data, first.cache, *UNTIL)
    assert said.count("is damaged and is worked out again: arrays/frame.features.npy has ") == 2
    assert KEPT not in said
    assert different_files(first.manifest, manifest) == {"report.json"}
    assert rebuilt(first.data, first.cache, *UNTIL)[1].count(KEPT) == 2


def test_an_event_that_was_changed_before_the_windows_makes_all_of_them_anew(
    first: First, rebuilt: Run, tmp_path: Path
) -> None:
    early = pl.col("timestamp") == pl.col("timestamp").min()
    events = first.shop.events.with_columns(pl.when(early).then(pl.col("quantity") + 1).otherwise(pl.col("quantity")))
    _, said = rebuilt(other_data(first, tmp_path / "other", events), first.cache, *UNTIL)
    assert KEPT not in said


def test_an_event_that_was_changed_in_the_newest_window_leaves_the_older_one(
    first: First, rebuilt: Run, tmp_path: Path
) -> None:
    late = pl.col("timestamp") == pl.col("timestamp").filter(pl.col("timestamp").dt.epoch("s") < 1_751_068_000).max()
    events = first.shop.events.with_columns(pl.when(late).then(pl.col("quantity") + 1).otherwise(pl.col("quantity")))
    _, said = rebuilt(other_data(first, tmp_path / "other", events), first.cache, *UNTIL, "--reselect")
    assert [line for line in said.splitlines() if KEPT in line] == [
        "candidates and features 2025-05-03: kept by an earlier build"
    ]


def test_some_days_later_the_selection_holds_and_what_was_left_out_is_not_fitted(first: First, rebuilt: Run) -> None:
    left_out = {choice.source for choice in first.manifest.source_choices if not choice.kept}
    assert left_out
    manifest, said = rebuilt(first.data, first.cache, "--until", "2025-06-29")
    assert f"{REUSED}2025-06-27: nothing has drifted (largest change: " in said
    assert "when it was chosen" in said
    for done in ("choose the fusion", "weigh sources", "weigh variety"):
        assert done not in said
    assert manifest.selected_at == first.manifest.selected_at
    assert manifest.event_window_end > first.manifest.event_window_end
    assert manifest.sources == first.manifest.sources
    assert manifest.source_choices == first.manifest.source_choices
    assert manifest.features == first.manifest.features
    again, said = rebuilt(first.data, first.cache, "--until", "2025-06-29")
    assert said.count(KEPT) == 2
    assert different_files(manifest, again) == {"report.json"}


def test_a_rebuild_of_the_past_knows_nothing_of_what_was_chosen_later(first: First, rebuilt: Run) -> None:
    manifest, said = rebuilt(first.data, first.cache, "--until", "2025-06-20")
    assert REUSED not in said
    assert AGAIN not in said
    assert manifest.selected_at == manifest.event_window_end


def test_drift_makes_the_rebuild_choose_again_and_say_why(first: First, rebuilt: Run, tmp_path: Path) -> None:
    crowd = first.shop.events.with_columns(pl.col("user_id").str.replace("user-00", "other-00"))
    events = pl.concat([first.shop.events, crowd]).unique(maintain_order=True)
    manifest, said = rebuilt(other_data(first, tmp_path / "other", events), first.cache, *UNTIL)
    assert f"{AGAIN}the data have drifted since the selection of 2025-06-27: " in said
    assert REUSED not in said
    assert manifest.selected_at == manifest.event_window_end


def test_a_source_that_is_switched_off_makes_the_rebuild_choose_again(
    first: First, rebuilt: Run, tmp_path: Path
) -> None:
    (tmp_path / "off.toml").write_text(f'{TWO_WINDOWS}[sources]\noff = ["segment"]\n')
    manifest, said = rebuilt(first.data, first.cache, *UNTIL, "--config", tmp_path / "off.toml")
    assert REUSED not in said
    assert KEPT not in said
    assert "segment" not in {choice.source for choice in manifest.source_choices}
    # A gate says nothing about what is best.
    (tmp_path / "gate.toml").write_text(f"{TWO_WINDOWS}[gates]\ncoverage = 0.01\n")
    assert REUSED in rebuilt(first.data, first.cache, *UNTIL, "--config", tmp_path / "gate.toml")[1]


def test_a_choice_that_does_much_worse_than_when_it_was_made_is_made_again(
    first: First, rebuilt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.select_or_reuse.LEAST_OF_THEN", 2.0)
    manifest, said = rebuilt(first.data, first.cache, *UNTIL)
    assert f"{AGAIN}" in said
    assert ", on 2025-06-27 it was 0." in said
    assert different_files(first.manifest, manifest) == {"report.json"}


def test_a_gate_that_an_earlier_selection_fails_is_asked_again_after_a_new_one(
    first: First, index_command: Run, tmp_path: Path
) -> None:
    (tmp_path / "strict.toml").write_text(f"{TWO_WINDOWS}[gates]\nndcg_vs_popular = 50\n")
    words = ("rebuild", "--data", first.data, "--cache", first.cache, "--config", tmp_path / "strict.toml")
    ran = index_command(*words, "--snapshots", tmp_path / "snapshots", "--until", "2025-06-29")
    assert ran.code == 3
    lines = ran.err.splitlines()
    note = "note: ndcg_vs_popular would refuse what an earlier selection makes: selecting again"
    assert lines.index(note) < lines.index(next(line for line in lines if line.startswith("stage choose the fusion")))


def test_a_search_for_recipes_chooses_again(first: First, rebuilt: Run) -> None:
    assert REUSED not in rebuilt(first.data, first.cache, *UNTIL, "--tune-minutes", "0.01")[1]


def test_evaluate_reads_kept_rows_and_no_selection(first: First, index_command: Run) -> None:
    words = ("evaluate", "--data", first.data, "--split-at", UNTIL[1], "--cache", first.cache)
    ran = index_command(*words)
    assert ran.code == 0, ran.err
    assert ran.err.count(KEPT) == 2
    assert "stage choose the fusion of home" in ran.err
    assert REUSED not in ran.err
    assert KEPT not in index_command(*words, "--fresh").err


def test_no_room_keeps_no_rows_and_a_bound_that_is_no_number_is_one_sentence(
    first: First, index_command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("rebuild", "--data", first.data, "--snapshots", tmp_path / "snapshots", *UNTIL)
    monkeypatch.setenv("RECSYS_STAGES_GB", "0")
    assert index_command(*words, "--cache", tmp_path / "new").code == 0
    assert not (tmp_path / "new" / "stages").exists()
    monkeypatch.setenv("RECSYS_STAGES_GB", "plenty")
    ran = index_command(*words, "--cache", first.cache)
    assert (ran.code, ran.err.splitlines()[-1]) == (
        2,
        "recsys-index: RECSYS_STAGES_GB must be a number of gigabytes, 0 or more, got 'plenty'",
    )


def test_two_rebuilds_at_once_share_what_is_kept_and_make_the_same_files(first: First, tmp_path: Path) -> None:
    shutil.rmtree(first.cache)
    roots = [tmp_path / "one", tmp_path / "two"]
    words = ["rebuild", "--data", first.data, "--cache", first.cache, *UNTIL, "--snapshots"]
    both = [
        subprocess.Popen([sys.executable, "-c", MAIN, *map(str, words), str(root)], stderr=subprocess.PIPE, text=True)
        for root in roots
    ]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    for root in roots:
        store = SnapshotStore(root)
        assert different_files(first.manifest, store.manifest(store.current())) == {"report.json"}
    assert list((first.cache / "stages").glob(".part-*")) == []


def test_the_snapshot_of_a_reused_selection_answers(first: First, rebuilt: Run, tmp_path: Path) -> None:
    rebuilt(first.data, first.cache, *UNTIL)
    store = SnapshotStore(tmp_path / "snapshots")
    Snapshot.read(store.open(store.current())).replay_golden()
