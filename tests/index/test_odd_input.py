"""What a rebuild makes of data that are merely odd: the smallest, the longest, and rows it must leave out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.ask import Ask
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore

from .small_sales import DAY_S, START, sales, write_csv

Rebuild = Callable[..., Any]


def published(tmp_path: Path) -> Snapshot:
    """The current snapshot, its golden answers replayed."""
    store = SnapshotStore(tmp_path / "snapshots")
    snapshot = Snapshot.read(store.open(store.current()))
    snapshot.replay_golden()
    return snapshot


def report(tmp_path: Path) -> Any:
    store = SnapshotStore(tmp_path / "snapshots")
    return store.open(store.current()).json("report.json")


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
