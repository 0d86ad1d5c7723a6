"""The rebuild command and what an operator does with its snapshots, in this process, on small shops."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from index.heads import HEADS
from recsys.ask import Ask
from recsys.fusion import FOREST, STACKED
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore

Run = Callable[..., Any]
LAST_DAY = 1_751_414_400  # after the shop's last event
TWO_WINDOWS = "[training]\nwindows = 2\n"
KEY, OTHER_KEY = f"hmac:{'5a' * 32}", f"hmac:{'a5' * 32}"


@pytest.fixture(scope="module")
def first(corner_shop: Any, run_index: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with the snapshots and the cache that a rebuild of ``data`` leaves, not to be changed; how it ended."""
    root = tmp_path_factory.mktemp("first")
    data = corner_shop.write(root / "data", TWO_WINDOWS)
    ran = run_index("rebuild", "--data", data, "--snapshots", root / "snapshots", "--cache", root / "cache")
    assert ran.code == 0, ran.err
    return root, ran


@pytest.fixture
def published(first: tuple[Path, Any], tmp_path: Path) -> Any:
    """How a first rebuild of ``data`` ended; what it left lies where ``rebuild`` goes on."""
    root, ran = first
    for name in ("snapshots", "cache"):
        shutil.copytree(root / name, tmp_path / name)
    return ran


def said(output: str) -> str:
    """The last line: what became of the snapshot."""
    return output.strip().splitlines()[-1]


def test_the_first_rebuild_tells_its_story_and_trains_both_rankers(world: Any) -> None:
    for line in (
        "120 users, 80 items",
        "events.target_types: purchase (since there are purchases)",
        "events.weights: purchase 1, view 0.1 (by what an event of its type usually tells)",
        "text.columns: title, category, brand (the usual columns that hold any)",
        "texts: 80 distinct, 80 encoded now, the rest from the cache",
        "windows: ",
        "Validation on the newest windows",
        f"published {world.version}: ",
    ):
        assert line in world.output
    assert "has no ranker" not in world.output
    store = SnapshotStore(world.snapshots)
    snapshot = Snapshot.read(store.open(world.version))
    # Which fusion wins by a hair differs with the processor's arithmetic: forests of both heads are grown and compared,
    # and kept where the winner has one.
    fusions = snapshot.pipeline.fusions
    assert set(snapshot.rankers) == {name for name in fusions if fusions[name].kind in (FOREST, STACKED)}
    compared = store.open(world.version).json("report.json")["validation"]["tasks"]
    for task, head in (("all", HEADS[0]), ("novel", HEADS[1])):
        grown = {f"forest ({recipe.name})" for recipe in head.recipes}
        assert len(grown - set(compared[task])) <= 1  # the winner stands there as the pipeline
    always = {"history", "popular", "als", "content", "similar-als", "similar-content"}
    table = {row["source"]: row for row in store.open(world.version).json("report.json")["sources"]}
    assert always < set(snapshot.pipeline.sources)
    assert set(snapshot.pipeline.sources) - always == {name for name in table if table[name]["kept"]} - always


def test_the_trained_pipeline_beats_popularity_and_keeps_up_with_habits(world: Any) -> None:
    tasks = SnapshotStore(world.snapshots).open(world.version).json("report.json")["validation"]["tasks"]
    ndcg = {task: {name: metrics["ndcg@10"] for name, metrics in tasks[task].items()} for task in ("all", "novel")}
    assert ndcg["all"]["pipeline"] > 2 * ndcg["all"]["popular"]
    assert ndcg["all"]["pipeline"] > 0.97 * ndcg["all"]["history"]
    assert ndcg["novel"]["pipeline"] > ndcg["novel"]["popular"]


def test_unchanged_data_encode_nothing_again_and_give_the_same_bytes(
    index_command: Run, world: Any, tmp_path: Path
) -> None:
    ran = index_command("rebuild", "--data", world.data, "--snapshots", tmp_path / "snapshots", "--cache", world.cache)
    assert ran.code == 0, ran.err
    assert "texts: 80 distinct, 0 encoded now, the rest from the cache" in ran.err
    first = SnapshotStore(world.snapshots).manifest(world.version)
    store = SnapshotStore(tmp_path / "snapshots")
    second = store.manifest(store.current())
    assert {name for name in first.files if first.files[name] != second.files.get(name)} == {"report.json"}
    assert set(first.files) == set(second.files)
    assert (first.config, first.features, first.gates[:-1]) == (second.config, second.features, second.gates[:-1])


def test_no_publish_lists_a_whole_version_and_leaves_current_alone(
    published: Any, rebuild: Run, index_command: Run, data: Path, store: SnapshotStore, tmp_path: Path
) -> None:
    current = store.current()
    ran = rebuild(data, "--no-publish", "--until", "2025-06-20")
    assert ran.code == 0, ran.err
    assert store.current() == current
    (staged,) = set(store.versions()) - {current}
    assert said(ran.out).startswith(f"staged {staged}: ")
    assert index_command("publish", staged, "--snapshots", tmp_path / "snapshots").code == 0
    assert store.current() == staged


@pytest.mark.parametrize(
    ("gate", "limit", "sentence"),
    [
        ("max_bytes", "1", "the limit is 1"),
        ("coverage", "1.1", "the limit is 1.1"),
        ("min_rows", "1e9", "the limit is 1e+09"),
        ("ndcg_vs_current", "3", "ndcg_vs_current is 1, the limit is 3"),
        ("ann_recall", "1.5", "ann_recall is 1, the limit is 1.5"),
        ("finite", "2", "finite is 1, the limit is 2"),
    ],
)
def test_a_failed_gate_exits_3_names_itself_and_leaves_current_alone(
    published: Any,
    rebuild: Run,
    data: Path,
    store: SnapshotStore,
    tmp_path: Path,
    gate: str,
    limit: str,
    sentence: str,
) -> None:
    current = store.current()
    (tmp_path / "strict.toml").write_text(f"{TWO_WINDOWS}[gates]\n{gate} = {limit}\n")
    ran = rebuild(data, "--config", tmp_path / "strict.toml")
    assert ran.code == 3
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"recsys-index: the new snapshot is not published: {gate} is ")
    assert sentence in last
    assert store.current() == current
    assert store.versions() == [current]
    assert list((tmp_path / "snapshots").glob(".staging-*")) == []


def test_quality_is_judged_by_many_users_or_by_a_limit_that_the_operator_gave(
    published: Any, rebuild: Run, data: Path, store: SnapshotStore, tmp_path: Path
) -> None:
    assert "gates on NDCG@10 are not judged: the newest windows have" in published.err
    current = store.current()
    gates = {gate["name"]: gate["value"] for gate in store.manifest(current).gates}
    assert gates["ndcg_vs_popular"] is gates["ndcg_vs_history"] is None

    (tmp_path / "strict.toml").write_text(f"{TWO_WINDOWS}[gates]\nndcg_vs_popular = 50\nndcg_vs_history = 50\n")
    ran = rebuild(data, "--config", tmp_path / "strict.toml")
    assert ran.code == 3
    last = ran.err.splitlines()[-1]
    assert "ndcg_vs_popular is" in last
    assert "ndcg_vs_history is" in last
    assert store.current() == current


def test_all_failed_gates_are_named_at_once(rebuild: Run, data: Path, store: SnapshotStore) -> None:
    (data / "recsys.toml").write_text(f"{TWO_WINDOWS}[gates]\ncoverage = 1.1\nmax_bytes = 1\n")
    ran = rebuild(data)
    assert ran.code == 3
    assert "coverage is" in ran.err.splitlines()[-1]
    assert "max_bytes is" in ran.err.splitlines()[-1]
    assert store.versions() == []


def test_the_manifest_and_the_report_hold_every_gate_that_was_passed(published: Any, store: SnapshotStore) -> None:
    reader = store.open(store.current())
    gates = {gate["name"]: gate for gate in store.manifest(store.current()).gates}
    expected = {"min_rows", "ann_recall", "ndcg_vs_popular", "ndcg_vs_history", "coverage", "finite", "max_bytes"}
    assert expected <= set(gates)
    assert all(gate["passed"] for gate in gates.values())
    assert [gate["name"] for gate in reader.json("report.json")["gates"]] == list(gates)
    assert gates["ndcg_vs_current"]["value"] is None


def test_a_signed_snapshot_verifies_with_its_key_and_no_other(
    published: Any,
    rebuild: Run,
    index_command: Run,
    data: Path,
    store: SnapshotStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unsigned = store.current()
    monkeypatch.setenv("RECSYS_SIGNING_KEY", KEY)
    monkeypatch.setenv("RECSYS_VERIFY_KEY", KEY)
    ran = rebuild(data, "--until", "2025-06-20")
    assert ran.code == 0, ran.err
    signed = store.current()
    assert signed != unsigned
    where = ("--snapshots", tmp_path / "snapshots")
    assert index_command("verify", *where).code == 0
    refused = index_command("verify", unsigned, *where)
    assert (refused.code, "manifest.sig is missing" in refused.err) == (2, True)
    assert index_command("publish", unsigned, *where).code == 2
    assert store.current() == signed
    listed = index_command("list", *where).out.splitlines()
    assert [line.split("\t")[7] for line in listed if line.startswith(signed)] == ["hmac-sha256"]
    monkeypatch.setenv("RECSYS_VERIFY_KEY", OTHER_KEY)
    assert index_command("verify", *where).code == 2
    ran = rebuild(data, "--until", "2025-06-10")
    assert ran.code == 2, "signed with a key that this machine does not trust"
    assert store.current() == signed


def test_list_rollback_and_prune_after_three_rebuilds(
    rebuild: Run, index_command: Run, data: Path, store: SnapshotStore, tmp_path: Path
) -> None:
    where = ("--snapshots", tmp_path / "snapshots")
    for until in ("2025-06-10", "2025-06-20", "2025-06-30"):
        ran = rebuild(data, "--until", until)
        assert ran.code == 0, ran.err
    third = store.current()
    rows = [line.split("\t") for line in index_command("list", *where).out.splitlines()]
    assert sorted(row[0] for row in rows[1:]) == store.versions()
    assert len(rows) == 4
    for row in rows[1:]:
        ndcg = store.open(row[0]).json("report.json")["validation"]["tasks"]["all"]["pipeline"]["ndcg@10"]
        assert row[6] == f"{ndcg:.4f}"
    by_end = {row[3][:10]: row[0] for row in rows[1:]}
    assert index_command("rollback", *where).code == 0
    second = by_end["2025-06-19"]
    assert store.current() == second
    assert index_command("prune", "--keep", "1", *where).code == 0
    assert set(store.versions()) == {second, max([second, third, by_end["2025-06-09"]])}
    assert index_command("verify", *where).code == 0
    assert Snapshot.read(store.open(second)).answer(Ask(at=LAST_DAY, user_id="user-000"))


def test_an_unreadable_current_does_not_keep_its_replacement_out(
    published: Any, rebuild: Run, data: Path, store: SnapshotStore, tmp_path: Path
) -> None:
    first = store.current()
    (tmp_path / "snapshots" / first / "report.json").write_text(json.dumps({}))
    ran = rebuild(data, "--until", "2025-06-20")
    assert ran.code == 0, ran.err
    assert store.current() != first


def test_a_shop_with_nothing_to_embed_needs_no_cache(index_command: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    where = ("--snapshots", tmp_path / "snapshots", "--cache", tmp_path / "a-file" / "cache")
    assert index_command("rebuild", "--data", data, *where).code == 0
