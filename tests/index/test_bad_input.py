"""What a rebuild says to data it cannot use, and what it makes of data that are merely odd."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.ask import Ask
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore

Rebuild = Callable[..., Any]
HEADER = "user_id,item_id,event_type,timestamp\n"
DAY_S = 86_400
START = 1_735_689_600


def sales(n_users: int = 6, n_items: int = 5, n_days: int = 40, event_type: str = "purchase") -> list[dict[str, Any]]:
    """A sale a day: every user comes round, every item is sold."""
    return [
        {
            "user_id": f"u{day % n_users}",
            "item_id": f"i{day % n_items}",
            "event_type": event_type,
            "timestamp": START + day * DAY_S,
        }
        for day in range(n_days)
    ]


def write_csv(folder: Path, rows: list[dict[str, Any]], name: str = "events.csv") -> Path:
    folder.mkdir(exist_ok=True)
    pl.DataFrame(rows).write_csv(folder / name)
    return folder


def published(tmp_path: Path) -> Snapshot:
    """The current snapshot, its golden answers replayed."""
    store = SnapshotStore(tmp_path / "snapshots")
    snapshot = Snapshot.read(store.open(store.current()))
    snapshot.replay_golden()
    return snapshot


def report(tmp_path: Path) -> Any:
    store = SnapshotStore(tmp_path / "snapshots")
    return store.open(store.current()).json("report.json")


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
            "40 of 40 events rows (100.0%) are rejected, the limit is 20.0%; the most common reason is missing_us",
        ),
        (nobody_whatever_the_limit, "no event is left after cleaning 40 rows"),
        (a_third_negative, "14 of 40 events rows (35.0%) are rejected, the limit is 20.0%; the most common reason is"),
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


def test_without_purchases_every_event_is_the_target_and_that_is_said(rebuild: Rebuild, tmp_path: Path) -> None:
    ran = rebuild(write_csv(tmp_path / "data", sales(event_type="view")))
    assert ran.code == 0, ran.err
    assert "events.target_types: view (all there are, since there are no purchases)" in ran.err
    assert published(tmp_path).answer(Ask(at=START + 41 * DAY_S, user_id="u0"))


@pytest.mark.parametrize(
    ("n_users", "n_items", "n_days"),
    [(1, 5, 40), (6, 1, 40), (1, 1, 40), (1, 1, 1), (2, 2, 2)],
    ids=["one user", "one item", "one user and item", "one event", "two events"],
)
def test_the_smallest_data_work(rebuild: Rebuild, tmp_path: Path, n_users: int, n_items: int, n_days: int) -> None:
    ran = rebuild(write_csv(tmp_path / "data", sales(n_users, n_items, n_days)))
    assert ran.code == 0, ran.err
    assert re.search(r"note: serving config home orders by (reciprocal-rank|source [\w-]+): ", ran.err)
    snapshot = published(tmp_path)
    assert not snapshot.rankers
    assert (len(snapshot.users), len(snapshot.catalogue)) == (n_users, n_items)
    for user in ("u0", "", "stranger"):
        assert sorted(snapshot.answer(Ask(at=START + 99 * DAY_S, user_id=user))) == [f"i{i}" for i in range(n_items)]


def test_a_shop_with_items_and_users_but_without_anything_to_read_has_no_content_source(
    rebuild: Rebuild, tmp_path: Path
) -> None:
    data = write_csv(tmp_path / "data", sales())
    write_csv(data, [{"item_id": f"i{i}", "title": "", "price": i + 1} for i in range(5)], "items.csv")
    write_csv(data, [{"user_id": "u0", "city": "Kiel"}, {"user_id": "u-silent", "city": "Ulm"}], "users.csv")
    ran = rebuild(data)
    assert ran.code == 0, ran.err
    assert "text.columns: none (so content has nothing to say)" in ran.err
    snapshot = published(tmp_path)
    assert "content" not in snapshot.pipeline.sources
    assert len(snapshot.users) == 7
    assert snapshot.answer(Ask(at=START + 41 * DAY_S, user_id="u-silent"))


def test_ids_of_ten_kilobytes_are_rejected_and_counted(rebuild: Rebuild, tmp_path: Path) -> None:
    rows = sales()
    rows[3]["user_id"] = "u" * 10_240
    rows[7]["item_id"] = "商" * 10_240
    rows[9]["item_id"] = "i" * 129
    rows[11]["item_id"] = "商" * 128
    ran = rebuild(write_csv(tmp_path / "data", rows))
    assert ran.code == 0, ran.err
    assert "events: 37 of 40 rows kept; rejected: id_too_long 3 (row 4, 8, 10)" in ran.err
    assert report(tmp_path)["cleaning"]["rejected"] == {"id_too_long": 3}
    assert published(tmp_path).catalogue.items.number("商" * 128) is not None


def test_chinese_ids_and_titles_arrive_as_they_were_written(rebuild: Rebuild, tmp_path: Path) -> None:
    rows = [row | {"user_id": f"用户{row['user_id']}", "item_id": f"商品 {row['item_id']} é🍵"} for row in sales()]
    data = write_csv(tmp_path / "data", rows)
    write_csv(data, [{"item_id": f"商品 i{i} é🍵", "title": f"龙井绿茶 {i}"} for i in range(5)], "items.csv")
    (data / "recsys.toml").write_text("[text]\ncolumns = []\n")
    ran = rebuild(data)
    assert ran.code == 0, ran.err
    snapshot = published(tmp_path)
    answer = snapshot.answer(Ask(at=START + 41 * DAY_S, user_id="用户u0"))
    assert sorted(answer) == [f"商品 i{i} é🍵" for i in range(5)]
    number = snapshot.catalogue.items.number("商品 i2 é🍵")
    assert number is not None
    assert snapshot.catalogue.titles[number] == "龙井绿茶 2"


def test_every_bad_row_is_counted_under_its_reason_and_nothing_else_is_lost(rebuild: Rebuild, tmp_path: Path) -> None:
    good = [row | {"price": 2.5, "quantity": 1} for row in sales(n_days=100)]
    base = good[50]
    bad: list[dict[str, Any] | str] = [
        "{this is no JSON",
        "[1, 2]",
        base | {"user_id": None},
        base | {"user_id": "  "},
        base | {"item_id": ""},
        base | {"user_id": "u\x07"},
        base | {"event_type": None},
        base | {"timestamp": "yesterday"},
        base | {"timestamp": None},
        base | {"timestamp": 4_000_000_000},
        base | {"price": "cheap"},
        base | {"price": -0.01},
        base | {"quantity": -3},
        base,
        base | {"price": 9.0},
    ]
    lines = [row if isinstance(row, str) else json.dumps(row) for row in [*good[:60], *bad, *good[60:]]]
    data = tmp_path / "data"
    data.mkdir()
    (data / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = rebuild(data)
    assert ran.code == 0, ran.err
    cleaning = report(tmp_path)["cleaning"]
    assert cleaning["rejected"] == {
        "malformed_row": 2,
        "missing_user_id": 2,
        "missing_item_id": 1,
        "bad_id": 1,
        "missing_event_type": 1,
        "bad_time": 2,
        "far_future": 1,
        "bad_number": 1,
        "negative_price": 1,
        "negative_quantity": 1,
        "duplicate": 2,
    }
    assert cleaning["examples"]["malformed_row"] == [61, 62]
    assert (cleaning["n_read"], cleaning["n_kept"]) == (115, 100)
    snapshot = published(tmp_path)
    assert len(snapshot.histories.items) == 100
    assert snapshot.manifest is not None
    assert snapshot.manifest.event_window_end == good[-1]["timestamp"]
