from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from index.dataset import Codes, Dataset, load
from recsys.arrays import Float32
from recsys.errors import InputError

NOW = 1_700_000_000
START = 1_600_000_000
Row = dict[str, Any]


def event(user: str, item: str | None, kind: str = "purchase", at: int = START, **cells: Any) -> Row:
    return {"user_id": user, "item_id": item, "event_type": kind, "timestamp": at, **cells}


def write(folder: Path, *events: Row, items: list[Row] | None = None, users: list[Row] | None = None) -> Path:
    for name, rows in (("events", list(events)), ("items", items), ("users", users)):
        if rows is not None:
            pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / f"{name}.parquet")
    return folder


def read(folder: Path, *, toml: str = "", until: int | None = None) -> Dataset:
    if toml:
        (folder / "recsys.toml").write_text(toml, encoding="utf-8")
    return load(folder, None, now=NOW, until=until)


EVENTS = [
    event("u2", "i1", "view", START + 5, quantity=None, price=None, session_id="s1"),
    event("u2", "i1", "purchase", START + 9, quantity=2.0, price=1.5, session_id="s1"),
    event("10", "零", "add_to_cart", START + 7, quantity=0.0, price=0.0, session_id="s2"),
    event("10", "i3", "purchase", START + 7, quantity=1.0, price=3.25, session_id="s2"),
    event("10", "i3", "purchase", START + 7, quantity=1.0, price=3.25, session_id="s2"),
    event("9", "i9", "search", START + 8, quantity=None, price=None, session_id="s3"),
    event("9", None, "search", START + 8, quantity=None, price=None, session_id="s3"),
    event("9", "i3", "view", START - 1, quantity=None, price=-4.0, session_id="s4"),
]
ITEMS: list[Row] = [
    {"item_id": "i1", "title": "Green tea", "category": "Drinks > Tea", "price": 1.25, "stock": 3, "colour": "green"},
    {"item_id": "零", "title": "绿茶 \n特级", "category": "Drinks>Tea", "price": None, "stock": 0, "colour": "green"},
    {"item_id": "i3", "title": None, "category": "Drinks", "price": 7.0, "stock": None, "colour": "red"},
    {"item_id": "i4", "title": "Cup", "category": None, "price": None, "stock": 1, "colour": "red"},
]
USERS: list[Row] = [
    {"user_id": "u2", "age": 31, "income": "35-49K", "zip": "02134"},
    {"user_id": "u5", "age": None, "income": "50-74K", "zip": "10115"},
]
SETTINGS = "[cleaning]\nmax_rejected_share = 0.5\n"


def floats(values: list[float]) -> Float32:
    return np.array(values, dtype=np.float32)


def as_parquet(table: pl.DataFrame, folder: Path, name: str) -> None:
    table.write_parquet(folder / f"{name}.parquet")


def as_csv(table: pl.DataFrame, folder: Path, name: str) -> None:
    table.write_csv(folder / f"{name}.csv")


def as_json_lines(table: pl.DataFrame, folder: Path, name: str) -> None:
    table.write_ndjson(folder / f"{name}.jsonl")


def as_typed_parquet(table: pl.DataFrame, folder: Path, name: str) -> None:
    """Datetimes for seconds, categories for text: other types, the same rows."""
    if name == "events":
        times = pl.from_epoch("timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Shanghai")
        table = table.with_columns(times.alias("timestamp"), pl.col("event_type").cast(pl.Categorical))
    table.write_parquet(folder / f"{name}.parquet")


def as_pandas_csv(table: pl.DataFrame, folder: Path, name: str) -> None:
    """Byte-order mark, CRLF, ISO times, a column that means nothing."""
    if name == "events":
        stamps = [datetime.fromtimestamp(at, UTC).isoformat(" ") for at in table["timestamp"]]
        table = table.with_columns(pl.Series("timestamp", stamps), other=pl.lit("x,y"))
    text = table.write_csv().replace("\n", "\r\n").replace(" \r\n特级", " \n特级")
    (folder / f"{name}.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())


@pytest.mark.parametrize("write_as", [as_parquet, as_csv, as_json_lines, as_typed_parquet, as_pandas_csv])
def test_the_same_rows_are_the_same_dataset_in_every_format(
    tmp_path: Path, write_as: Callable[[pl.DataFrame, Path, str], None]
) -> None:
    for name, rows in (("events", EVENTS), ("items", ITEMS), ("users", USERS)):
        write_as(pl.DataFrame(rows, infer_schema_length=None), tmp_path, name)
    data = read(tmp_path, toml=SETTINGS)

    assert data.user_ids == ["10", "9", "u2", "u5"]
    assert data.item_ids == ["i1", "i3", "i4", "i9", "零"]
    assert data.report.rejected == {"negative_price": 1, "duplicate": 1}
    assert (data.report.n_read, data.report.n_kept, data.report.n_searches, data.report.n_unknown_items) == (8, 5, 1, 1)

    table = data.interactions
    assert table.users.tolist() == [0, 0, 1, 2, 2]
    assert table.items.tolist() == [1, 4, 3, 0, 0]
    assert table.times.tolist() == [START + 7, START + 7, START + 8, START + 9, START + 5]
    assert table.weights.tolist() == [1.0, 0.5, np.float32(0.05), 1.0, np.float32(0.1)]
    assert table.targets.tolist() == [True, False, False, True, False]
    assert [data.event_types[kind] for kind in data.kinds] == ["purchase", "add_to_cart", "search", "purchase", "view"]
    assert data.values is None
    np.testing.assert_array_equal(table.quantities, floats([1, 0, np.nan, 2, np.nan]))
    np.testing.assert_array_equal(table.prices, floats([3.25, 0, np.nan, 1.5, np.nan]))

    items = data.items
    assert items.titles == ["Green tea", "i3", "Cup", "i9", "绿茶 特级"]
    assert items.texts == ["Green tea. Drinks", "Drinks", "Cup", "", "绿茶 特级. Drinks. Tea"]
    assert items.categories == ["Drinks > Tea", "Drinks", "", "", "Drinks > Tea"]
    assert items.brands == [""] * 5
    np.testing.assert_array_equal(items.prices, floats([1.25, 7, np.nan, np.nan, np.nan]))
    assert items.in_stock.tolist() == [True, True, True, True, False]
    assert items.created_at.tolist() == [0] * 5
    assert {name: (codes.codes.tolist(), codes.labels) for name, codes in items.codes.items()} == {
        "category_1": ([0, 0, -1, -1, 0], ["Drinks"]),
        "category_2": ([0, -1, -1, -1, 0], ["Drinks > Tea"]),
    }

    np.testing.assert_array_equal(data.users.columns["age"], floats([np.nan, np.nan, 31, np.nan]))
    incomes = data.users.columns["income"]
    assert isinstance(incomes, Codes)
    assert (incomes.codes.tolist(), incomes.labels) == ([-1, -1, 0, 1], ["35-49K", "50-74K"])
    zips = data.users.columns["zip"]
    assert isinstance(zips, Codes)
    assert zips.labels == ["02134", "10115"]


def test_numbers_follow_the_order_of_utf8_bytes(tmp_path: Path) -> None:
    ids = ["b", "B", "a", "10", "9", "é", "零", "\U0001f375", "\ufb01", "a b"]
    data = read(write(tmp_path, *[event(name, name, at=START + n) for n, name in enumerate(ids)]))
    expected = [name.decode() for name in np.sort(np.array([name.encode() for name in ids]))]
    assert data.user_ids == expected
    assert data.item_ids == expected


def test_without_items_and_users_the_catalogue_is_what_events_name(tmp_path: Path) -> None:
    data = read(write(tmp_path, event("u", "a", price=2.0), event("u", "b", at=START + 1, price=None)))
    assert data.items.titles == ["a", "b"]
    assert data.items.texts == ["", ""]
    assert data.items.codes == {}
    np.testing.assert_array_equal(data.items.prices, floats([np.nan, np.nan]))
    assert data.users.columns == {}
    assert "text.columns: none (so content has nothing to say)" in map(str, data.choices)


def test_one_user_and_one_item_are_enough(tmp_path: Path) -> None:
    data = read(write(tmp_path, event("u", "i")))
    assert (data.user_ids, data.item_ids, len(data.interactions)) == (["u"], ["i"], 1)


def test_only_a_listed_price_is_a_price_whatever_the_columns_are_called(tmp_path: Path) -> None:
    sold = [event("u", "a", at=START + n, price=price) for n, price in enumerate([1.0, 9.0, 2.0])]
    items: list[Row] = [
        {"item_id": "a", "price": None, "sold_at": "market"},
        {"item_id": "b", "price": 4.0, "sold_at": "shop"},
    ]
    data = read(write(tmp_path, *sold, items=items))
    np.testing.assert_array_equal(data.items.prices, floats([np.nan, 4]))


def test_purchases_in_any_spelling_are_the_target(tmp_path: Path) -> None:
    data = read(write(tmp_path, event("u", "a", "PURCHASE"), event("u", "b", "View", START + 1)))
    assert data.settings.events.target_types == ("purchase",)
    assert "events.target_types: purchase (since there are purchases)" in map(str, data.choices)
    assert data.interactions.targets.tolist() == [False, True]


def test_without_purchases_every_event_is_a_target(tmp_path: Path) -> None:
    data = read(write(tmp_path, event("u", "a", "view"), event("u", "b", "rating", START + 1)))
    assert data.settings.events.target_types == ("rating", "view")
    assert data.interactions.targets.all()
    assert data.interactions.weights.tolist() == [1.0, 1.0]


def test_a_rating_below_the_least_value_is_had_but_not_liked(tmp_path: Path) -> None:
    rated = [event("u", "a", "rating", START, value=2.0), event("u", "b", "rating", START + 1, value=3.0)]
    data = read(
        write(tmp_path, *rated, event("u", "c", "rating", START + 2, value=None)), toml="[events]\nmin_value=3\n"
    )
    assert data.values is not None
    np.testing.assert_array_equal(data.values, floats([np.nan, 3, 2]))
    assert data.interactions.targets.tolist() == [True, True, True]
    assert data.interactions.weights.tolist() == [1.0, 1.0, 0.0]


def test_settings_beside_the_tables_decide_and_are_said(tmp_path: Path) -> None:
    toml = """
[events]
target_types = ["view", "cart"]
weights = { view = 0.7 }
[text]
columns = ["colour"]
[features]
codes = ["colour"]
"""
    folder = write(tmp_path, event("u", "i1", "view"), event("u", "i3", "purchase", START + 1), items=ITEMS)
    data = read(folder, toml=toml)
    assert data.settings.events.target_types == ("view",)
    assert data.settings.events.weights == {"purchase": 0.2, "view": 0.7}
    assert data.items.texts == ["green", "red", "red", "green"]
    assert data.items.codes["colour"].labels == ["green", "red"]
    assert "events.target_types: view (as configured; no event is cart)" in map(str, data.choices)


def test_what_was_taken_back_is_no_liking_and_what_nobody_knows_is_a_little(tmp_path: Path) -> None:
    kinds = ("purchase", "return", "remove_from_cart", "refund", "wave")
    folder = write(tmp_path, *(event("u", "i1", kind, START + at) for at, kind in enumerate(kinds)))
    weights = {"purchase": 1.0, "refund": 0.0, "remove_from_cart": 0.0, "return": 0.0, "wave": 0.2}
    assert read(folder).settings.events.weights == weights
    asked = write(tmp_path, event("u", "i1"), event("u", "i1", "return", START + 1))
    assert read(asked, toml="[events]\nweights = { return = 0.3 }").settings.events.weights["return"] == 0.3


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ('[events]\ntarget_types = ["rating"]', "target_types rating occur in no event; the types there are purchase"),
        ('[text]\ncolumns = ["blurb"]', "text.columns names 'blurb', which the items table lacks; it has title"),
        ('[text]\ncolumns = ["price"]', "text.columns names 'price'"),
        ('[features]\ncodes = ["size"]', "features.codes names 'size', which the items table lacks; it has colour"),
    ],
)
def test_settings_that_name_what_is_not_there_are_refused(tmp_path: Path, toml: str, sentence: str) -> None:
    folder = write(tmp_path, event("u", "i1"), items=ITEMS)
    with pytest.raises(InputError) as caught:
        read(folder, toml=toml)
    assert sentence in str(caught.value)


def test_attributes_that_group_items_become_code_families_and_others_do_not(tmp_path: Path) -> None:
    items: list[Row] = [
        {
            "item_id": f"i{n:02}",
            "category": f"A > B{n % 2}",
            "department": "A",
            "section": f"B{n % 2}",
            "maker": 100 + n % 5,
            "weight": 0.5 + n,
            "barcode": f"code {n}",
            "same": "x",
            "rare": "y" if n < 1 else None,
            "category_1": "mine",
        }
        for n in range(40)
    ]
    data = read(write(tmp_path, event("u", "i00"), items=items))
    assert list(data.items.codes) == ["category_1", "category_2", "maker"]
    assert data.items.codes["category_1"].labels == ["A"]
    assert data.items.codes["maker"].labels == ["100", "101", "102", "103", "104"]


def test_events_from_the_chosen_end_on_leave_no_trace(tmp_path: Path) -> None:
    folder = write(tmp_path, event("u", "a", price=1.0), event("late", "b", at=START + 9, price=5.0))
    data = read(folder, until=START + 9)
    assert (data.user_ids, data.item_ids, data.report.n_after_until) == (["u"], ["a"], 1)


def test_another_settings_file_may_be_named(tmp_path: Path) -> None:
    folder = write(tmp_path, event("u", "a"))
    (tmp_path / "recsys.toml").write_text("[nonsense]\n")
    (tmp_path / "mine.toml").write_text("[training]\nseed = 5\n")
    assert load(folder, tmp_path / "mine.toml", now=NOW).settings.training.seed == 5
    with pytest.raises(InputError, match="unknown key nonsense"):
        load(folder, now=NOW)


def test_platforms_are_numbered_by_how_often_they_occur_whatever_their_case(tmp_path: Path) -> None:
    rows = [("u1", "App"), ("u1", "app "), ("u2", "web"), ("u2", None), ("u3", "  ")]
    events = [event(user, "i1", at=START + n, platform=name) for n, (user, name) in enumerate(rows)]
    dataset = read(write(tmp_path, *events))
    assert dataset.platforms == ("app", "web")
    # By user, newest first.
    assert dataset.interactions.platforms.tolist() == [0, 0, -1, 1, -1]


def test_the_rarest_of_many_platforms_are_unknown_and_without_the_column_all_are(tmp_path: Path) -> None:
    names = [f"p{n}" for n in range(10) for _ in range(10 - n)]
    events = [event("u1", "i1", at=START + n, platform=name) for n, name in enumerate(names)]
    (tmp_path / "many").mkdir()
    dataset = read(write(tmp_path / "many", *events))
    assert dataset.platforms == tuple(f"p{n}" for n in range(8))
    assert sorted(set(dataset.interactions.platforms.tolist())) == list(range(-1, 8))
    (tmp_path / "none").mkdir()
    plain = read(write(tmp_path / "none", event("u1", "i1")))
    assert (plain.platforms, plain.interactions.platforms.tolist()) == ((), [-1])
