"""Lists and true or false among the items' columns, from each kind of file to what filters see."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from index import item_attributes
from index.dataset import Dataset, load
from index.entity_cleaning import clean_items
from index.item_attributes import attributes_of
from recsys.filters.catalogue_columns import ATTRIBUTES, attributes_at
from recsys.filters.columns import Booleans, Columns, Numbers, TextLists, Texts
from recsys.filters.predicate import compile_filter

from .small_sales import DAY_S, START, sales, write_csv

NOW = START + 1000 * DAY_S
SETTINGS = '[text]\ncolumns = ["title", "tags"]\n[features]\ncodes = ["tags", "organic"]\n'
# Item i4 is sold and in no table.
ITEMS: list[dict[str, Any]] = [
    {"item_id": "i0", "title": "Tea", "tags": ["vegan", "bio"], "organic": True, "sizes": [38.0, 39.5], "plain": "a"},
    {"item_id": "i1", "title": "Pot", "tags": [], "organic": False, "sizes": None, "plain": "b"},
    {"item_id": "i2", "title": "Cup", "tags": None, "organic": None, "sizes": [], "plain": None},
    {"item_id": "i3", "title": "Mug", "tags": ["  Vegan ", "", None], "organic": True, "sizes": [38.0], "plain": "a"},
]


def as_parquet(rows: list[dict[str, Any]], folder: Path) -> None:
    schema = {"tags": pl.List(pl.String), "sizes": pl.List(pl.Float64)}
    pl.DataFrame(rows, schema_overrides=schema).write_parquet(folder / "items.parquet")


def as_json_lines(rows: list[dict[str, Any]], folder: Path) -> None:
    (folder / "items.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read(tmp_path: Path, write: Callable[[list[dict[str, Any]], Path], None], rows: list[dict[str, Any]]) -> Dataset:
    folder = write_csv(tmp_path / "data", sales())
    (folder / "recsys.toml").write_text(SETTINGS)
    write(rows, folder)
    return load(folder, now=NOW)


def told(dataset: Dataset) -> dict[str, list[Any]]:
    columns = {f"{ATTRIBUTES}{name}": column for name, column in dataset.attributes.items()}
    n_items = len(dataset.item_ids)
    return dict(attributes_at(Columns(n_items, columns), np.arange(n_items, dtype=np.int32)))


def passing(dataset: Dataset, text: str) -> list[str]:
    columns = Columns(len(dataset.item_ids), dataset.attributes)
    mask = compile_filter(text, columns.schema).mask(columns)
    return [id for id, passes in zip(dataset.item_ids, mask, strict=True) if passes]


@pytest.mark.parametrize("write", [as_parquet, as_json_lines])
def test_lists_and_booleans_are_what_they_are_from_either_file(
    tmp_path: Path, write: Callable[[list[dict[str, Any]], Path], None]
) -> None:
    dataset = read(tmp_path, write, ITEMS)
    assert {name: type(column) for name, column in dataset.attributes.items()} == {
        "tags": TextLists,
        "organic": Booleans,
        "sizes": TextLists,
        "plain": Texts,
    }
    assert told(dataset) == {
        "tags": [("vegan", "bio"), None, None, ("Vegan",), None],
        "organic": [True, False, None, True, None],
        "sizes": [("38", "39.5"), None, None, ("38",), None],
        "plain": ["a", "b", None, "a", None],
    }
    assert passing(dataset, "tags:vegan") == ["i0", "i3"]
    assert passing(dataset, "NOT tags:*") == ["i1", "i2", "i4"]
    assert passing(dataset, "sizes:39.5") == ["i0"]
    assert passing(dataset, "organic = true") == ["i0", "i3"]
    assert passing(dataset, "organic = false") == ["i1"]
    assert passing(dataset, "organic != true") == ["i1", "i2", "i4"]


@pytest.mark.parametrize("write", [as_parquet, as_json_lines])
def test_where_text_is_wanted_lists_are_joined_by_commas(
    tmp_path: Path, write: Callable[[list[dict[str, Any]], Path], None]
) -> None:
    items = read(tmp_path, write, ITEMS).items
    assert items.texts == ["Tea. vegan, bio", "Pot", "Cup", "Mug. Vegan", ""]
    assert items.codes["tags"].labels == ["Vegan", "vegan, bio"]
    assert items.codes["tags"].codes.tolist() == [1, -1, -1, 0, -1]
    assert items.codes["organic"].labels == ["false", "true"]


def test_lists_that_group_items_are_a_code_family_without_being_named(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "data", sales())
    as_json_lines([{"item_id": f"i{i}", "tags": ["a", "b"] if i % 2 else ["c"]} for i in range(8)], folder)
    dataset = load(folder, now=NOW)
    assert dataset.settings.features.codes == ("tags",)
    assert dataset.items.codes["tags"].labels == ["a, b", "c"]


def test_any_array_makes_a_column_of_lists_whose_other_cells_are_the_only_ones_in_theirs(tmp_path: Path) -> None:
    cells: list[Any] = ["plain, as it is", ["a", 1, True, 2.5, None, {"k": [1]}], 7, "[not an array]", False]
    rows = [{"item_id": f"i{i}", "tags": cell, "organic": "x"} for i, cell in enumerate(cells)]
    dataset = read(tmp_path, as_json_lines, rows)
    assert told(dataset)["tags"] == [
        ("plain, as it is",),
        ("a", "1", "true", "2.5", '{"k": [1]}'),
        ("7",),
        ("[not an array]",),
        ("false",),
    ]
    # Without the text that looks like an array all of them are decoded at once.
    del rows[3]
    assert told(read(tmp_path, as_json_lines, rows))["tags"][1] == ("a", "1", "true", "2.5", '{"k": [1]}')


def test_an_array_where_one_value_is_meant_costs_its_cell_only(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"item_id": "i0", "price": [1, 2], "category": ["Food", "Tea"], "tags": "x", "organic": True},
        {"item_id": "i1", "price": 2.5, "category": "Food > Pots", "tags": "x", "organic": True},
    ]
    dataset = read(tmp_path, as_json_lines, rows)
    assert dataset.items.prices[1] == 2.5
    assert np.isnan(dataset.items.prices[0])
    assert dataset.items.categories[:2] == ["Food > Tea", "Food > Pots"]
    assert dataset.report.items is not None
    assert dataset.report.items.mended == {"bad_price": 1}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["TRUE", "False", None, " true"], Booleans),
        (["true", "true", "true", "true"], Booleans),
        (["true", "false", "no", None], Texts),
        (["yes", "no", "no", "yes"], Texts),
        (["1", "0", "0", "1"], Numbers),
        (["true", "1", None, None], Texts),
        (['["a"]', '["b", "c"]', None, None], Texts),
    ],
)
def test_what_csv_says_is_judged_by_every_cell_of_the_column(
    cells: list[str | None], kind: type, tmp_path: Path
) -> None:
    folder = write_csv(tmp_path / "data", sales())
    rows = [{"item_id": f"i{i}", "column": cell} for i, cell in enumerate(cells)]
    write_csv(folder, rows, "items.csv")
    dataset = load(folder, now=NOW)
    assert type(dataset.attributes["column"]) is kind
    if kind is Booleans:
        assert passing(dataset, "column = true") == [
            f"i{i}" for i, cell in enumerate(cells) if "t" in str(cell).lower()[:2]
        ]


def test_lists_that_are_too_large_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pl.DataFrame({"item_id": ["a", "b"], "many": [["x"] * 3, ["x"] * 2], "wide": [["x" * 9], None]})
    monkeypatch.setattr(item_attributes, "MOST_ENTRIES", 4)
    monkeypatch.setattr(item_attributes, "LARGEST_TEXTS", 8)
    assert attributes_of(table, ["a", "b"]) == ({}, ("many", "wide"))
    monkeypatch.setattr(item_attributes, "MOST_ENTRIES", 5)
    monkeypatch.setattr(item_attributes, "LARGEST_TEXTS", 9)
    assert list(attributes_of(table, ["a", "b"])[0]) == ["many", "wide"]


def test_cells_that_can_be_told_neither_as_text_nor_as_lists_are_counted() -> None:
    table = pl.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "size": [{"width": 1}, {"width": 2}, None],
            "parts": [[["x"]], None, None],
            "image": [b"\x00", b"\x01", b"\x02"],
            "span": [timedelta(1), None, None],
            "spans": [[timedelta(1)], None, None],
            "tags": [["x"], [], None],
            "colour": ["red", None, "blue"],
        }
    )
    cleaned, report = clean_items(table)
    counts = {"size": 2, "parts": 1, "image": 3, "span": 1, "spans": 1}
    assert report.mended == {f"unreadable_{name}": n for name, n in counts.items()}
    assert cleaned["size"].null_count() == cleaned["parts"].null_count() == cleaned["image"].null_count() == 3
    assert cleaned["colour"].to_list() == ["red", None, "blue"]
