from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from index.cells import joined, number, seconds, text, texts, truth

NEW_YEAR = 1_483_228_800  # 2017-01-01T00:00:00Z


def read(how: Any, values: pl.Series) -> list[Any]:
    return values.alias("cell").to_frame().select(how("cell", values.dtype)).to_series().to_list()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2017-01-01", NEW_YEAR),
        ("2017-01-01T00:00", NEW_YEAR),
        ("2017-01-01T00:00:00Z", NEW_YEAR),
        ("2017-01-01t00:00:00z", NEW_YEAR),
        ("2017-01-01 00:00:00", NEW_YEAR),
        ("2017-01-01 00:00:00 UTC", NEW_YEAR),
        ("2017-01-01 00:00:00.999", NEW_YEAR),
        ("2017-01-01T00:00:00.000000+0000", NEW_YEAR),
        ("2017-01-01T05:30:00.5+05:30", NEW_YEAR),
        ("2016-12-31T19:00:00-05", NEW_YEAR),
        (" 1483228800 ", NEW_YEAR),
        ("1483228800.9", NEW_YEAR),
        ("1.4832288e9", NEW_YEAR),
        ("0", 0),
        ("-1", None),
        ("1483228800000", None),
        ("4102444800", None),
        ("2100-01-01", None),
        ("2099-12-31T23:59:59Z", 4_102_444_799),
        ("2017-02-30", None),
        ("2017-01-01T25:00:00", None),
        ("01/02/2017", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_written_times_are_read_as_utc_seconds_or_not_at_all(written: str | None, expected: int | None) -> None:
    assert read(seconds, pl.Series([written], dtype=pl.String)) == [expected]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_datetimes_of_any_unit_and_zone_are_the_same_instant(unit: Any) -> None:
    naive = pl.Series([datetime(2017, 1, 1)]).dt.cast_time_unit(unit)
    assert read(seconds, naive) == [NEW_YEAR]
    assert read(seconds, naive.dt.replace_time_zone("America/New_York")) == [NEW_YEAR + 5 * 3_600]
    assert read(seconds, naive.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Shanghai")) == [NEW_YEAR]


def test_dates_and_numbers_are_times_too() -> None:
    assert read(seconds, pl.Series([date(2017, 1, 1)])) == [NEW_YEAR]
    assert read(seconds, pl.Series([NEW_YEAR], dtype=pl.UInt32)) == [NEW_YEAR]
    assert read(seconds, pl.Series([NEW_YEAR + 0.7, float("nan"), float("inf"), None])) == [NEW_YEAR, None, None, None]
    assert read(seconds, pl.Series([True])) == [None]


def test_numbers_are_read_blanks_are_unknown_and_the_rest_is_infinite() -> None:
    written = ["1", " 2.5 ", "1e3", "-3", "", "NaN", "null", None, "1,5", "cheap", "inf", "1e39", "12 EUR"]
    infinite = float("inf")
    expected = [1, 2.5, 1000, -3, None, None, None, None, *[infinite] * 5]
    assert read(number, pl.Series(written)) == expected
    assert read(number, pl.Series([1.5, float("nan"), -infinite])) == [1.5, None, infinite]
    assert read(number, pl.Series([Decimal("1.25"), None])) == [1.25, None]
    assert read(number, pl.Series([datetime(2017, 1, 1, tzinfo=UTC), None])) == [infinite, None]


def test_text_is_what_the_cell_says() -> None:
    assert read(text, pl.Series(["张三", "  ", "", None, " a "])) == ["张三", None, None, None, " a "]
    assert read(text, pl.Series([12.0, 0.5, float("nan"), None])) == ["12", "0.5", None, None]
    assert read(text, pl.Series([7, -7])) == ["7", "-7"]
    assert read(text, pl.Series([True, None])) == ["true", None]
    assert read(text, pl.Series([Decimal("1.00"), Decimal("2.50")])) == ["1", "2.5"]
    assert read(text, pl.Series(["a", "b"], dtype=pl.Categorical)) == ["a", "b"]
    assert read(text, pl.Series([b"id"])) == [None]
    assert read(text, pl.Series([["Food", "Tea"], None])) == ["Food > Tea", None]
    assert read(text, pl.Series([{"a": 1}])) == [None]


def test_entries_of_lists_are_text_as_cells_are_and_blank_ones_are_left_out() -> None:
    assert read(texts, pl.Series([[" a ", "", None, "b"], [" "], [], None])) == [["a", "b"], None, None, None]
    assert read(texts, pl.Series([[1.0, 0.5, float("nan")], None])) == [["1", "0.5"], None]
    assert read(texts, pl.Series([[7, -7]])) == [["7", "-7"]]
    assert read(texts, pl.Series([[True, None, False]])) == [["true", "false"]]
    assert read(texts, pl.Series([[Decimal("2.50")]])) == [["2.5"]]
    assert read(texts, pl.Series([["x"], ["y"]], dtype=pl.List(pl.Categorical))) == [["x"], ["y"]]
    assert read(texts, pl.Series([["x", "y"], None], dtype=pl.Array(pl.String, 2))) == [["x", "y"], None]
    assert read(texts, pl.Series([[[1]]])) == [None]
    assert read(texts, pl.Series([[{"a": 1}]])) == [None]
    assert read(texts, pl.Series([[b"id"]])) == [None]
    assert read(texts, pl.Series([[]], dtype=pl.List(pl.Null))) == [None]


def test_cleaned_lists_are_joined_by_commas() -> None:
    assert read(joined, pl.Series([["a", "b > c"], ["d"], None])) == ["a, b > c", "d", None]
    assert read(joined, pl.Series(["a", None])) == ["a", None]


def test_truth_values_in_the_spellings_shops_use() -> None:
    written = ["true", "Yes", "1", "in stock", "FALSE", "no", "0", "out of stock", "perhaps", "", None]
    assert read(truth, pl.Series(written)) == [*[True] * 4, *[False] * 4, *[None] * 3]
    assert read(truth, pl.Series([True, False, None])) == [True, False, None]
    assert read(truth, pl.Series([3, 0])) == [True, False]
