from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from index.cleaning import Clean, clean
from index.cleaning_report import CleaningReport
from index.formats import MALFORMED
from index.settings import CleaningSettings, Settings
from index.tables import Tables
from recsys.errors import InputError

NOW = 1_700_000_000
DAY_S = 86_400
LENIENT = Settings(cleaning=CleaningSettings(max_rejected_share=1.0))
GOOD = {"user_id": "u", "item_id": "i", "event_type": "view", "timestamp": str(NOW - DAY_S)}


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows over ``GOOD``, all cells text as from CSV, a second apart so that they are no duplicates."""
    columns = dict.fromkeys(key for row in (GOOD, *rows) for key in row)
    spaced = [GOOD | {"timestamp": str(NOW - DAY_S + n)} | row for n, row in enumerate(rows)]
    rows_of_all = [{column: row.get(column) for column in columns} for row in spaced]
    text_ids = {"user_id": pl.String, "item_id": pl.String}
    return pl.DataFrame(rows_of_all, schema_overrides=text_ids, infer_schema_length=None)


def cleaned(
    table: pl.DataFrame,
    *,
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    until: int | None = None,
    settings: Settings = LENIENT,
) -> Clean:
    out = clean(Tables(table, items, users), settings, now=NOW, until=until)
    assert_sums_up(out.report)
    assert out.events.height == out.report.n_kept
    return out


def assert_sums_up(report: CleaningReport) -> None:
    assert report.n_kept + sum(report.rejected.values()) + report.n_searches + report.n_after_until == report.n_read


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({MALFORMED: True}, "malformed_row"),
        ({"user_id": None}, "missing_user_id"),
        ({"item_id": None}, "missing_item_id"),
        ({"item_id": None, "event_type": None}, "missing_item_id"),
        ({"user_id": "u" * 129}, "id_too_long"),
        ({"item_id": "商" * 10_240}, "id_too_long"),
        ({"user_id": "u\x07"}, "bad_id"),
        ({"item_id": "i\n"}, "bad_id"),
        ({"item_id": "i\u2028"}, "bad_id"),
        ({"user_id": "\ufffd"}, "bad_id"),
        ({"event_type": None}, "missing_event_type"),
        ({"event_type": "  "}, "missing_event_type"),
        ({"timestamp": None}, "bad_time"),
        ({"timestamp": "soon"}, "bad_time"),
        ({"timestamp": "-5"}, "bad_time"),
        ({"timestamp": "2100-01-01"}, "bad_time"),
        ({"timestamp": str(NOW + DAY_S + 1)}, "far_future"),
        ({"price": "cheap"}, "bad_number"),
        ({"quantity": "1e400"}, "bad_number"),
        ({"value": "good"}, "bad_number"),
        ({"price": "-0.01"}, "negative_price"),
        ({"quantity": "-1"}, "negative_quantity"),
    ],
)
def test_a_bad_row_is_counted_under_its_reason_and_the_others_stay(cells: dict[str, Any], reason: str) -> None:
    report = cleaned(events({}, {}, cells, {})).report
    assert report.rejected == {reason: 1}
    assert report.examples == {reason: [3]}
    assert report.n_kept == 3


@pytest.mark.parametrize(
    "cells",
    [
        {"user_id": "u" * 128},
        {"item_id": "商" * 128},
        {"user_id": "张三 é🍵", "item_id": "a, \"b\" > 'c'"},
        {"timestamp": str(NOW + DAY_S)},
        {"timestamp": "0"},
        {"quantity": "0"},
        {"quantity": "89638"},
        {"quantity": "0.35"},
        {"price": "0"},
        {"price": "", "quantity": "NaN"},
        {"event_type": "something new"},
        {"value": "-1"},
    ],
)
def test_unusual_is_not_wrong(cells: dict[str, Any]) -> None:
    assert cleaned(events(cells)).report.rejected == {}


def test_a_row_with_several_faults_counts_once_under_the_first() -> None:
    report = cleaned(events({}, {"user_id": None, "timestamp": None, "price": "-1"})).report
    assert report.rejected == {"missing_user_id": 1}


def test_the_first_three_rows_of_a_reason_are_examples() -> None:
    bad = {"user_id": None}
    assert cleaned(events(bad, {}, bad, bad, bad)).report.examples == {"missing_user_id": [1, 3, 4]}


def test_the_same_event_id_is_the_same_event_and_the_first_one_stays() -> None:
    one = {"event_id": "e1", "quantity": "1"}
    out = cleaned(events(one, {"event_id": "e2"}, one | {"quantity": "9"}, {"event_id": "e1", "user_id": None}))
    assert out.report.rejected == {"missing_user_id": 1, "duplicate": 1}
    assert out.report.examples["duplicate"] == [3]
    assert out.events["quantity"].to_list() == [1.0, None]


def test_without_event_id_everything_that_identifies_an_event_must_agree() -> None:
    same = {"timestamp": "1000", "session_id": "s"}
    rows = [
        same,
        same | {"session_id": "t"},
        same | {"user_id": "v"},
        same | {"item_id": "j"},
        same | {"event_type": "purchase"},
        same | {"timestamp": "1001"},
        same | {"event_id": "e"},
        same | {"price": "3"},
        same | {"event_type": "VIEW", "timestamp": "1970-01-01T00:16:40Z"},
    ]
    report = cleaned(events(*rows)).report
    assert report.rejected == {"duplicate": 2}
    assert report.examples == {"duplicate": [8, 9]}


def test_a_copy_of_a_rejected_row_is_no_duplicate() -> None:
    rows = [{"event_id": "e", "price": "-1"}, {"event_id": "e", "price": "1"}]
    assert cleaned(events(*rows)).report.rejected == {"negative_price": 1}


def test_searches_without_an_item_are_counted_apart_and_those_with_one_are_kept() -> None:
    search = {"event_type": "Search", "query": "tea"}
    out = cleaned(events({}, search | {"item_id": None}, search, search | {"item_id": None, "user_id": None}))
    assert out.report.n_searches == 1
    assert out.report.n_kept == 2
    assert out.report.rejected == {"missing_user_id": 1}


def test_what_happens_at_or_after_the_chosen_end_is_set_aside_before_it_can_be_wrong() -> None:
    end = NOW - 10 * DAY_S
    after = {"timestamp": str(end), "user_id": None, "price": "-1"}
    before = {"timestamp": str(end - 1)}
    out = cleaned(events(before, after, after, {"timestamp": str(NOW * 2)}), until=end, settings=Settings())
    assert out.report.n_after_until == 3
    assert out.report.rejected == {}
    assert (out.report.first_at, out.report.last_at) == (end - 1, end - 1)


def test_event_types_come_out_in_one_spelling() -> None:
    out = cleaned(events({"event_type": " Add-To Cart"}, {"event_type": "add_to_cart"}, {"event_type": "PURCHASE"}))
    assert out.events["event_type"].cast(pl.String).to_list() == ["add_to_cart", "add_to_cart", "purchase"]


def test_events_on_items_outside_the_items_table_are_kept_and_counted() -> None:
    out = cleaned(events({}, {"item_id": "other"}), items=pl.DataFrame({"item_id": ["i"]}))
    assert out.report.n_unknown_items == 1
    assert out.report.n_kept == 2
    assert cleaned(events({})).report.n_unknown_items == 0


def test_a_share_above_the_limit_is_refused_with_the_share_the_limit_and_the_top_reason() -> None:
    rows: list[dict[str, Any]] = [{}] * 6 + [{"user_id": None}] * 3 + [{"timestamp": "x"}]
    with pytest.raises(InputError) as caught:
        cleaned(events(*rows), settings=Settings())
    assert str(caught.value) == (
        "4 of 10 events rows (40.0%) are rejected, the limit is 20.0% (cleaning.max_rejected_share); the most common "
        "reason is missing_user_id (3 rows, for example row 7, 8, 9)"
    )


def test_a_share_at_the_limit_passes() -> None:
    assert cleaned(events(*[{}] * 8, *[{"user_id": None}] * 2), settings=Settings()).report.n_kept == 8


def test_milliseconds_are_rejected_with_a_hint_and_plain_nonsense_without() -> None:
    for stamp, hinted in ((str(NOW * 1_000), True), ("then", False)):
        with pytest.raises(InputError, match="bad_time") as caught:
            cleaned(events(*[{"timestamp": stamp}] * 3))
        assert ("look like milliseconds" in str(caught.value)) is hinted


def test_dates_written_as_numbers_are_refused_where_all_are() -> None:
    with pytest.raises(InputError, match=r"timestamps look like dates as numbers \(20250131\)"):
        cleaned(events({"timestamp": 20250131}, {"timestamp": 20250201}))
    assert cleaned(events({"timestamp": 20250131}, {"timestamp": 20250199})).report.n_kept == 2


def test_nothing_left_is_refused_whatever_the_limit() -> None:
    with pytest.raises(InputError, match="no event is left after cleaning 2 rows; the most common reason is missing"):
        cleaned(events({"user_id": None}, {"user_id": None}))
    with pytest.raises(InputError, match="no event before 1970-01-02T00:00:00Z is left"):
        cleaned(events({}), until=DAY_S)
    with pytest.raises(InputError, match="no event is left"):
        cleaned(events({"event_type": "search", "item_id": None}))


def test_items_keep_the_first_row_of_an_id_and_cells_that_make_no_sense_become_unknown() -> None:
    items = pl.DataFrame(
        {
            "item_id": ["a", None, "b", "a", "c" * 129, "d\x00", "e"],
            "price": ["1.5", "2", "-3", "9", "1", "1", "cheap"],
            "stock": ["3", "", "", "", "", "", "many"],
            "created_at": ["2020-01-01", "", "whenever", "", "", "", ""],
            "colour": ["red", "", "", "", "", "", " "],
        }
    )
    out = cleaned(events({}), items=items)
    assert out.items is not None
    assert out.items.select("item_id", "price", "stock", "created_at", "colour").rows() == [
        ("a", 1.5, 3.0, 1_577_836_800, "red"),
        ("b", None, None, None, None),
        ("e", None, None, None, None),
    ]
    report = out.report.items
    assert report is not None
    assert report.rejections.counts == {"missing_item_id": 1, "id_too_long": 1, "bad_id": 1, "duplicate": 1}
    assert report.mended == {"bad_price": 1, "bad_stock": 1, "negative_price": 1, "bad_created_at": 1}
    assert report.n_read == report.n_kept + sum(report.rejections.counts.values())


def test_a_malformed_item_row_does_not_hide_the_sound_one() -> None:
    items = pl.DataFrame({"item_id": ["a", "a"], "title": ["torn", "whole"], MALFORMED: [True, False]})
    out = cleaned(events({}), items=items)
    assert out.items is not None
    assert out.items["title"].to_list() == ["whole"]
    assert out.items.columns.count(MALFORMED) == 0


def test_a_catalogue_with_a_row_a_variant_is_fine_and_one_without_ids_is_not() -> None:
    assert cleaned(events({}), items=pl.DataFrame({"item_id": ["a"] * 9}), settings=Settings()).report.items
    with pytest.raises(InputError, match="no row of the items table can be used; the most common reason is missing_i"):
        cleaned(events({}), items=pl.DataFrame({"item_id": [None, None]}, schema={"item_id": pl.String}))
    with pytest.raises(InputError, match=r"2 of 4 users rows \(50.0%\) are rejected.*missing_user_id \(2 rows"):
        cleaned(
            events({}),
            users=pl.DataFrame({"user_id": ["a", None, None, "a"], "age": [1, 2, 3, 4]}),
            settings=Settings(),
        )


def test_the_report_can_be_printed_and_stored() -> None:
    out = cleaned(events({}, {"user_id": None}), items=pl.DataFrame({"item_id": ["x", "x"]}))
    assert out.report.lines() == [
        "events: 1 of 2 rows kept; rejected: missing_user_id 1 (row 2)",
        "events: 1 rows name items outside the items table and are kept",
        "items: 1 of 2 rows kept; rejected: duplicate 1 (row 2)",
    ]
    stored = out.report.to_json()
    assert stored["rejected"] == {"missing_user_id": 1}
    assert stored["items"]["rejections"]["counts"] == {"duplicate": 1}
    assert stored["users"] is None
