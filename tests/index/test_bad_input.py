"""What a rebuild says to data it cannot use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.snapshot.store import SnapshotStore

from .small_sales import sales, write_csv

Rebuild = Callable[..., Any]
HEADER = "user_id,item_id,event_type,timestamp\n"


def assert_refused(ran: Any, sentence: str, tmp_path: Path) -> None:
    lines = ran.err.splitlines()
    assert ran.code == 2
    assert lines[-1].startswith("recsys-index: ")
    assert sentence in lines[-1]
    assert sum(line.startswith("recsys-index: ") for line in lines) == 1
    assert "Traceback" not in ran.err
    assert list((tmp_path / "snapshots").glob("CURRENT")) == []
    assert list((tmp_path / "snapshots").glob(".staging-*")) == []
    assert SnapshotStore(tmp_path / "snapshots").versions() == []


def absent(folder: Path) -> None:
    folder.rmdir()


def a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


def nothing(folder: Path) -> None:
    pass


def no_timestamp(folder: Path) -> None:
    (folder / "events.csv").write_text("user_id,item_id,event_type\nu,i,purchase\n")


def empty(folder: Path) -> None:
    (folder / "events.csv").touch()


def header_only(folder: Path) -> None:
    (folder / "events.csv").write_text(HEADER)


def no_parquet(folder: Path) -> None:
    (folder / "events.parquet").write_bytes(b"PAR1" + bytes(range(256)))


def binary_csv(folder: Path) -> None:
    (folder / "events.csv").write_bytes(b"\x00\x01\x02" * 100)


def no_json(folder: Path) -> None:
    (folder / "events.jsonl").write_text("this is\nno JSON\n")


def twice(folder: Path) -> None:
    write_csv(folder, sales())
    (folder / "events.jsonl").touch()


def unknown_key(folder: Path) -> None:
    write_csv(folder, sales())
    (folder / "recsys.toml").write_text("[training]\nepochs = 3\n")


def no_toml(folder: Path) -> None:
    write_csv(folder, sales())
    (folder / "recsys.toml").write_text("[training\n")


def unknown_target(folder: Path) -> None:
    write_csv(folder, sales())
    (folder / "recsys.toml").write_text('[events]\ntarget_types = ["rating"]\n')


def nobody(folder: Path) -> None:
    write_csv(folder, [row | {"user_id": ""} for row in sales()])


def nobody_whatever_the_limit(folder: Path) -> None:
    nobody(folder)
    (folder / "recsys.toml").write_text("[cleaning]\nmax_rejected_share = 1.0\n")


def a_third_negative(folder: Path) -> None:
    write_csv(folder, [row | {"price": -1 if n % 3 == 0 else 1} for n, row in enumerate(sales())])


def milliseconds(folder: Path) -> None:
    write_csv(folder, [row | {"timestamp": row["timestamp"] * 1000} for row in sales()])


def empty_items(folder: Path) -> None:
    write_csv(folder, sales())
    (folder / "items.csv").touch()


def items_without_id(folder: Path) -> None:
    write_csv(folder, sales())
    write_csv(folder, [{"title": "Tea"}], "items.csv")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (absent, "data does not exist"),
        (a_file, "data is not a folder"),
        (nothing, "has no events table; expected one of events.parquet, events.csv"),
        (no_timestamp, "events.csv has no column timestamp; its columns are user_id, item_id, event_type"),
        (empty, "events.csv is empty"),
        (header_only, "events.csv has no rows"),
        (no_parquet, "events.parquet cannot be read"),
        (binary_csv, "events.csv is not text, although its name says so"),
        (no_json, "events.jsonl cannot be read: it is not one JSON object a line"),
        (twice, "has several events tables: events.csv and events.jsonl; keep one"),
        (unknown_key, "recsys.toml: unknown key training.epochs; allowed are seed, windows, horizon_days"),
        (no_toml, "recsys.toml is not valid TOML"),
        (unknown_target, "events.target_types rating occur in no event; the types there are purchase"),
        (
            nobody,
            "40 of 40 events rows (100.0%) are rejected, the limit is 20.0% (cleaning.max_rejected_share); the most",
        ),
        (nobody_whatever_the_limit, "no event is left after cleaning 40 rows"),
        (
            a_third_negative,
            "14 of 40 events rows (35.0%) are rejected, the limit is 20.0% (cleaning.max_rejected_share); the most",
        ),
        (milliseconds, "most timestamps look like milliseconds, epoch seconds are expected"),
        (empty_items, "items.csv is empty"),
        (items_without_id, "items.csv has no column item_id; its columns are title"),
    ],
)
def test_unusable_data_end_in_one_sentence_and_exit_2(
    rebuild: Rebuild, tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    (tmp_path / "data").mkdir()
    spoil(tmp_path / "data")
    assert_refused(rebuild(tmp_path / "data"), sentence, tmp_path)


def test_a_time_before_every_event_leaves_nothing_to_build_from(rebuild: Rebuild, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data", sales())
    ran = rebuild(data, "--until", "2024-01-01")
    assert_refused(ran, "no event before 2024-01-01T00:00:00Z is left", tmp_path)


def test_a_config_that_is_not_there_is_named(rebuild: Rebuild, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data", sales())
    assert_refused(rebuild(data, "--config", tmp_path / "other.toml"), "cannot read", tmp_path)


def test_a_snapshot_folder_that_is_a_file_is_named(index_command: Rebuild, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data", sales())
    (tmp_path / "snapshots").write_text("mine")
    ran = index_command("rebuild", "--data", data, "--snapshots", tmp_path / "snapshots")
    assert_refused(ran, "snapshots", tmp_path)
    assert (tmp_path / "snapshots").read_text() == "mine"


def test_a_rebuild_must_be_told_where_to(index_command: Rebuild, tmp_path: Path) -> None:
    ran = index_command("rebuild", "--data", write_csv(tmp_path / "data", sales()))
    assert ran.code == 2
    assert ran.err == "recsys-index: name the snapshot folder with --snapshots DIR or RECSYS_SNAPSHOTS\n"


def test_a_signing_key_that_is_none_stops_the_rebuild_before_it_works(
    rebuild: Rebuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_SIGNING_KEY", "hmac:abc")
    ran = rebuild(write_csv(tmp_path / "data", sales()))
    assert_refused(ran, "key", tmp_path)
    assert "stage" not in ran.err


def test_an_encoder_nobody_has_is_named(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data", sales())
    write_csv(data, [{"item_id": "i0", "title": "Tea"}], "items.csv")
    (data / "recsys.toml").write_text('[encoder]\nmodel = "no-such-encoder"\n')
    code = "import sys; from index.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["rebuild", "--data", data, "--snapshots", tmp_path / "snapshots", "--cache", tmp_path / "cache"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("recsys-index: the text encoder 'no-such-encoder' cannot be loaded")
    assert SnapshotStore(tmp_path / "snapshots").versions() == []
