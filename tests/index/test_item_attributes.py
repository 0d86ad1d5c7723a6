"""Attributes of items as filters see them: of a kind by what the cells hold, bounded in number and size."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from index import item_attributes
from index.builder import Builder
from index.dataset import load
from index.item_attributes import attributes_of
from index.progress import Stages
from recsys.errors import FilterError
from recsys.filters.columns import Columns
from recsys.filters.kept import Filters
from recsys.filters.predicate import compile_filter
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

from .small_sales import DAY_S, START, sales, write_csv

TABLE = pl.DataFrame(
    {
        "item_id": ["a", "b", "d"],
        "title": ["A", "B", "D"],
        "fat": ["3.5", None, "1e0"],
        "code": ["7", "x7", None],
        "organic": ["true", "false", "true"],
        "odd": ["nan", "1", "2"],
        "empty": [None, None, None],
    },
    schema_overrides={"empty": pl.String},
)


def passing(text: str) -> list[bool]:
    attributes, _ = attributes_of(TABLE, ["a", "b", "c", "d"])
    columns = Columns(4, attributes)
    return compile_filter(text, columns.schema).mask(columns).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fat > 1", [True, False, False, False]),
        ("fat = 1", [False, False, False, True]),
        ("NOT fat:*", [False, True, True, False]),
        ("code = 7", [True, False, False, False]),
        ("code:*", [True, True, False, False]),
        ("organic = true", [True, False, False, True]),
        ("organic:*", [True, True, False, True]),
        # "nan" is no number, so neither are the others.
        ("odd:nan", [True, False, False, False]),
    ],
)
def test_columns_are_numbers_or_true_and_false_where_every_cell_is_and_text_else(
    text: str, expected: list[bool]
) -> None:
    assert passing(text) == expected


def test_our_own_columns_are_no_attributes_and_empty_ones_are_left_out() -> None:
    attributes, left_out = attributes_of(TABLE, ["a"])
    assert list(attributes) == ["fat", "code", "organic", "odd"]
    assert left_out == ()
    assert attributes_of(None, ["a"]) == ({}, ())


def test_too_many_and_too_large_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_attributes, "MOST_ATTRIBUTES", 2)
    monkeypatch.setattr(item_attributes, "LARGEST_TEXTS", 8)
    attributes, left_out = attributes_of(TABLE, ["a", "b", "d"])
    assert list(attributes) == ["fat", "code"]
    assert left_out == ("organic", "odd")


def test_a_build_hands_them_on_and_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(item_attributes, "MOST_ATTRIBUTES", 1)
    folder = write_csv(tmp_path / "data", sales())
    write_csv(folder, [{"item_id": f"i{i}", "fat": i / 2, "shelf": "top"} for i in range(4)], "items.csv")
    dataset = load(folder, now=START + 1000 * DAY_S)
    builder = Builder.of(dataset, cache=tmp_path / "cache", stages=Stages())
    snapshot = builder.snapshot(dataset.interactions, START + 100 * DAY_S)
    snapshot.write(SnapshotWriter(tmp_path))
    read = Filters.read(SnapshotReader(tmp_path), snapshot.catalogue)
    # Item 4 was sold and is not in the table.
    assert read.mask("attributes.fat < 1").tolist() == [True, True, False, False, False]
    with pytest.raises(FilterError, match="unknown field"):
        read.check("attributes.shelf:top")
    assert "not kept for filters, too many or too large: shelf" in capsys.readouterr().err
