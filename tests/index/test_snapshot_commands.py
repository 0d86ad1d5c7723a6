from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from index import snapshot_commands
from recsys.errors import InputError, NoSnapshot, NotFound, SnapshotCorrupt
from recsys.snapshot.files import SnapshotWriter
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.signature import HmacKey
from recsys.snapshot.store import SnapshotStore

Run = Callable[..., int]
SECRET = bytes(range(32))


def build(root: Path, day: int, key: HmacKey | None = None, report: Any = None) -> str:
    store = SnapshotStore(root)
    with store.staging() as staging:
        out = SnapshotWriter(staging)
        out.text("rankers/home.txt", "tree\n")
        if report is not None:
            out.json("report.json", report)
        manifest = Manifest.seal(
            staging,
            built_at=f"2026-01-{day:02d}T10:30:00Z",
            event_window_start=1_500_000_000,
            event_window_end=1_512_363_600,
            seed=1,
            config={},
            features=[],
            packages={},
            gates=[],
            serving_configs={},
            n_users=2_469,
            n_items=92_331,
            n_events=1_469_307,
            sources=["popular"],
        )
        return store.commit(staging, manifest, key)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RECSYS_SNAPSHOTS", "RECSYS_SIGNING_KEY", "RECSYS_VERIFY_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "snapshots").mkdir()
    return tmp_path / "snapshots"


@pytest.fixture
def run(root: Path) -> Run:
    """Runs a command line the way the program does, with --snapshots unless told otherwise."""

    def run(*words: str, snapshots: bool = True) -> int:
        parser = argparse.ArgumentParser()
        snapshot_commands.register(parser.add_subparsers(required=True))
        args = parser.parse_args([*words, *(("--snapshots", str(root)) if snapshots else ())])
        code: int = args.func(args)
        return code

    return run


def test_publish_rollback_and_prune_do_what_they_say(run: Run, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = (build(root, day) for day in (1, 2, 3))
    store = SnapshotStore(root)
    assert run("publish", first) == 0
    assert run("publish", third) == 0
    assert store.current() == third
    assert run("rollback") == 0
    assert store.current() == first
    assert run("prune", "--keep", "1") == 0
    assert store.versions() == [first, third]
    assert capsys.readouterr().out.splitlines() == [
        f"{first} is current",
        f"{third} is current",
        f"{first} is current",
        f"{second} deleted",
        "1 deleted",
    ]


def test_list_prints_tab_separated_lines_when_nobody_watches(
    run: Run, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {"validation": {"tasks": {"all": {"pipeline": {"ndcg@10": 0.43214}}}}}
    first, second = build(root, 1, HmacKey(SECRET), report), build(root, 2, report=[1])
    SnapshotStore(root).publish(second)
    assert run("list") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["version", "current", "built at", "events up to", "users", "items", "NDCG@10", "signed", "note"]
    facts = ["2017-12-04 05:00", "2,469", "92,331"]
    assert lines[1] == [first, "", "2026-01-01 10:30", *facts, "0.4321", "hmac-sha256", ""]
    assert lines[2] == [second, "current", "2026-01-02 10:30", *facts, "", "no", ""]


def test_list_draws_a_table_for_a_person(
    run: Run, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = build(root, 1)
    monkeypatch.setattr(snapshot_commands, "Console", lambda: Console(force_terminal=True, width=160))
    assert run("list") == 0
    out = capsys.readouterr().out
    assert version in out
    assert "Snapshots, oldest first" in out
    assert "│" in out


def test_list_shows_a_damaged_snapshot_with_the_reason_and_the_others_as_ever(
    run: Run, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = build(root, 1), build(root, 2)
    (root / first / "manifest.json").write_text("{")
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(first)
    assert lines[1].endswith("\tmanifest.json is not JSON")
    assert lines[2].startswith(second)


def test_list_of_nothing_and_of_a_garbled_current_is_clear(
    run: Run, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    assert "no snapshots under" in capsys.readouterr().out
    version = build(root, 1)
    (root / "CURRENT").write_text("garbage")
    with pytest.raises(SnapshotCorrupt, match="CURRENT"):
        run("list")
    assert version in capsys.readouterr().out


def test_verify_counts_the_files_of_the_current_version(
    run: Run, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NoSnapshot):
        run("verify")
    version = build(root, 1, report={})
    SnapshotStore(root).publish(version)
    assert run("verify") == 0
    assert capsys.readouterr().out == f"{version}: verified 2 files\n"


def test_verify_prints_a_line_a_problem_and_exits_2(run: Run, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = build(root, 1, report={})
    (root / version / "rankers" / "home.txt").write_text("tree!")
    (root / version / "report.json").unlink()
    (root / version / "extra.so").touch()
    assert run("verify", version) == 2
    assert capsys.readouterr().out.splitlines() == [
        f"{version}: 'extra.so' is not listed in the manifest",
        f"{version}: rankers/home.txt was altered: its sha256 is not the manifest's",
        f"{version}: report.json is missing",
    ]


def test_a_key_in_the_environment_is_a_value_or_a_file_and_is_enforced(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"hmac:{SECRET.hex()}"
    (tmp_path / "key").write_text(text + "\n")
    unsigned, signed = build(root, 1), build(root, 2, HmacKey(SECRET))
    for value in (text, f"@{tmp_path / 'key'}"):
        monkeypatch.setenv("RECSYS_VERIFY_KEY", value)
        for command in ("verify", "publish"):
            with pytest.raises(SnapshotCorrupt, match=r"manifest\.sig is missing"):
                run(command, unsigned)
            assert run(command, signed) == 0
        assert snapshot_commands.signing_key_from({"RECSYS_SIGNING_KEY": value}) == HmacKey(SECRET)
    assert snapshot_commands.signing_key_from({}) is None
    assert snapshot_commands.verify_key_from({}) is None


def test_a_key_that_is_set_but_empty_is_an_error_and_not_no_key(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = build(root, 1)
    monkeypatch.setenv("RECSYS_VERIFY_KEY", "")
    with pytest.raises(InputError, match="key"):
        run("publish", version)


def test_bad_input_is_one_clear_error(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--snapshots DIR or RECSYS_SNAPSHOTS"):
        run("list", snapshots=False)
    monkeypatch.setenv("RECSYS_SNAPSHOTS", str(root / "absent"))
    with pytest.raises(InputError, match="absent does not exist"):
        run("list", snapshots=False)
    assert not (root / "absent").exists()
    with pytest.raises(NotFound, match=r"snapshot '\.\./x' does not exist"):
        run("publish", "../x")
    with pytest.raises(InputError, match="keep must be at least 1, got 0"):
        run("prune", "--keep", "0")
    with pytest.raises(NoSnapshot):
        run("rollback")
