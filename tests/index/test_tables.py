from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from index.formats import MALFORMED
from index.settings import ColumnSettings, Settings
from index.tables import read_tables
from recsys.errors import InputError

HEADER = "user_id,item_id,event_type,timestamp"


def events_of(folder: Path, content: str | bytes, name: str = "events.csv") -> pl.DataFrame:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_tables(folder, Settings()).events


def ids(table: pl.DataFrame) -> list[tuple[str | None, str | None]]:
    return table.select("user_id", "item_id").rows()


def malformed(table: pl.DataFrame) -> list[int]:
    return table[MALFORMED].arg_true().to_list() if MALFORMED in table.columns else []


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_at_the_end_do_not_matter(tmp_path: Path) -> None:
    csv = events_of(tmp_path, b"\xef\xbb\xbf" + f"{HEADER}\r\nu1,i1,view,1\r\nu2,i2,view,2\r\n\r\n\r\n".encode())
    assert ids(csv) == [("u1", "i1"), ("u2", "i2")]
    (tmp_path / "events.csv").unlink()
    rows = '{"user_id":"u1","item_id":"i1","event_type":"view","timestamp":1}\r\n\r\n'
    jsonl = events_of(tmp_path, b"\xef\xbb\xbf" + rows.encode() * 2, "events.jsonl")
    assert ids(jsonl) == [("u1", "i1")] * 2


def test_quotes_commas_line_breaks_and_chinese_inside_cells_are_kept(tmp_path: Path) -> None:
    events = events_of(tmp_path, f'{HEADER}\n"u,1","i""1",view,1\n用户,商品,view,2\n')
    assert ids(events) == [("u,1", 'i"1'), ("用户", "商品")]
    (tmp_path / "items.csv").write_text('item_id,title\ni1,"two\nlines"\n')
    items = read_tables(tmp_path, Settings()).items
    assert items is not None
    assert items["title"].to_list() == ["two\nlines"]


def test_a_csv_row_with_too_many_cells_is_malformed_and_one_with_too_few_has_empty_ones(tmp_path: Path) -> None:
    events = events_of(tmp_path, f"{HEADER}\nu1,i1,view,1\nu2,i2,view,2,more\nu3,i3\n")
    assert malformed(events) == [1]
    assert events.row(2) == ("u3", "i3", None, None, False)


@pytest.mark.parametrize(
    "lines",
    [
        ["u1,i1,view,1", 'u2,"i2,view,2', "u3,i3,view,3", 'u4,"i,4",view,4'],
        ["u1,i1,view,1", 'u2,"i2,view,2', 'u3,"i3",view,3', 'u4,"i,4",view,4'],
        ["u1,i1,view,1", 'u2,"i2,view,2', 'u3,"i3,view,3', 'u4,"i,4",view,4'],
    ],
    ids=["never closed", "closed by a neighbour", "two of them"],
)
def test_a_quote_that_is_not_closed_costs_its_line_and_no_other(tmp_path: Path, lines: list[str]) -> None:
    events = events_of(tmp_path, "\n".join([HEADER, *lines]) + "\n")
    assert events.height == 4
    bad = [number for number, line in enumerate(lines) if line.count('"') % 2]
    assert malformed(events) == bad
    assert [ids(events)[number] for number in range(4) if number not in bad] == [
        (line.split(",")[0], "i,4" if "i,4" in line else line.split(",")[1].strip('"'))
        for number, line in enumerate(lines)
        if number not in bad
    ]


def test_json_lines_that_are_no_objects_are_malformed_and_no_other(tmp_path: Path) -> None:
    row = '{{"user_id":{},"item_id":"i","event_type":"view","timestamp":1,"extra":{{"a":[1]}}}}'
    lines = [row.format(1), "{bad", "", "[1]", row.format('"张"'), "3", row.format("null"), '{"user_id": "cut']
    events = events_of(tmp_path, "\n".join(lines), "events.jsonl")
    assert malformed(events) == [1, 2, 4, 6]
    assert [user for user, _ in ids(events)] == ["1", None, None, "张", None, None, None]


def test_json_keys_may_come_late_and_empty_objects_are_rows(tmp_path: Path) -> None:
    search = '{"user_id":"u","event_type":"search","timestamp":1}\n'
    view = '{"user_id":"u","item_id":"i","event_type":"view","timestamp":2,"quantity":2}\n'
    events = events_of(tmp_path, search * 20_000 + "{}\n" + view, "events.jsonl")
    assert events.height == 20_002
    assert events["quantity"].drop_nulls().to_list() == ["2"]
    assert ids(events)[-2:] == [(None, None), ("u", "i")]


def test_bytes_that_are_no_text_cost_their_cell_only(tmp_path: Path) -> None:
    events = events_of(tmp_path, HEADER.encode() + b"\nu\xff1,i1,view,1\nu2,i2,view,2\n")
    assert ids(events) == [("u\ufffd1", "i1"), ("u2", "i2")]


def test_parquet_bytes_are_text_where_they_can_be(tmp_path: Path) -> None:
    row = {"item_id": [b"i"] * 2, "event_type": ["view"] * 2, "timestamp": [1, 2]}
    pl.DataFrame({"user_id": [b"\xff", "张".encode()], **row}).write_parquet(tmp_path / "events.parquet")
    assert ids(read_tables(tmp_path, Settings()).events) == [("\ufffd", "i"), ("张", "i")]


def test_compressed_text_is_read(tmp_path: Path) -> None:
    events = events_of(tmp_path, gzip.compress(f"{HEADER}\nu1,i1,view,1\n".encode()), "events.csv.gz")
    assert ids(events) == [("u1", "i1")]
    (tmp_path / "events.csv.gz").unlink()
    row = b'{"user_id":1,"item_id":2,"event_type":"view","timestamp":1}\n'
    assert ids(events_of(tmp_path, gzip.compress(row), "events.jsonl.gz")) == [("1", "2")]


def test_a_folder_of_parquet_parts_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "events" / "day=1").mkdir(parents=True)
    common = {"event_type": ["view"], "timestamp": [1]}
    pl.DataFrame({"user_id": ["u1"], "item_id": [1], **common}).write_parquet(tmp_path / "events" / "a.parquet")
    pl.DataFrame({"user_id": [2], "item_id": ["x"], "quantity": [3], **common}).write_parquet(
        tmp_path / "events" / "day=1" / "b.parquet"
    )
    events = read_tables(tmp_path, Settings()).events
    assert ids(events) == [("u1", "1"), ("2", "x")]
    assert events["quantity"].to_list() == [None, 3]


def test_whole_numbers_as_ids_are_the_same_text_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "items.parquet").write_bytes(b"")
    pl.DataFrame({"item_id": [12.0, None, 7.0]}).write_parquet(tmp_path / "items.parquet")
    events = events_of(tmp_path, f"{HEADER}\n1.0,12.0,view,1\n,7.0,view,2\n3,12,view,3\n")
    tables = read_tables(tmp_path, Settings())
    assert ids(events) == [("1", "12"), (None, "7"), ("3", "12")]
    assert tables.items is not None
    assert tables.items["item_id"].to_list() == ["12", None, "7"]


def test_ids_that_merely_look_like_decimals_stay_as_written(tmp_path: Path) -> None:
    events = events_of(tmp_path, f"{HEADER}\nu,1.0,view,1\nu,v2.0,view,2\nu,007,view,3\n")
    assert events["item_id"].to_list() == ["1.0", "v2.0", "007"]


def test_other_column_names_are_mapped_and_attributes_keep_theirs(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("customer,sku,event_type,timestamp,item_id\nu1,i1,view,1,ignored\n")
    (tmp_path / "items.csv").write_text("sku,name,colour\ni1,Tea,green\n")
    settings = Settings(
        columns=ColumnSettings(
            events={"user_id": "customer", "item_id": "sku"}, items={"item_id": "sku", "title": "name"}
        )
    )
    tables = read_tables(tmp_path, settings)
    assert tables.items is not None
    assert ids(tables.events) == [("u1", "i1")]
    assert tables.items.columns == ["item_id", "title", "colour"]


def test_items_and_users_are_optional(tmp_path: Path) -> None:
    events_of(tmp_path, f"{HEADER}\nu1,i1,view,1\n")
    tables = read_tables(tmp_path, Settings())
    assert tables.items is None
    assert tables.users is None


def test_a_mapped_column_that_is_not_there_is_named_with_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(f"{HEADER}\nu1,i1,view,1\n")
    settings = Settings(columns=ColumnSettings(events={"quantity": "qty"}))
    with pytest.raises(InputError) as caught:
        read_tables(tmp_path, settings)
    assert f"has no column qty (for quantity); its columns are {HEADER.replace(',', ', ')}" in str(caught.value)
    assert "[columns.events]" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("events.csv", b"", "events.csv is empty"),
        ("events.csv", b"\r\n \n", "events.csv is empty"),
        ("events.csv", HEADER.encode() + b"\n\n\n", "events.csv has no rows"),
        ("events.csv", b"user,item\n1,2\n", "has no column user_id; its columns are user, item"),
        ("events.csv", b"\0\1\2", "events.csv is not text, although its name says so"),
        ("events.csv", HEADER.encode("utf-16"), "events.csv is UTF-16 text; save it as UTF-8"),
        ("events.csv.gz", b"not compressed", "events.csv.gz cannot be read"),
        ("events.csv.gz", gzip.compress(HEADER.encode() * 99, mtime=0)[:-9], "events.csv.gz cannot be read"),
        ("events.jsonl", b"", "events.jsonl is empty"),
        ("events.jsonl", b"[1]\nhello\n", "it is not one JSON object a line"),
        ("events.jsonl", b'{"user_id": 1}\n', "has no column item_id; its columns are user_id"),
        ("events.parquet", b"", "events.parquet cannot be read"),
        ("events.parquet", b"PAR1 and nothing more PAR1", "events.parquet cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        events_of(tmp_path, content, name)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file_cannot_be_read(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [1], "item_id": [1], "event_type": ["v"], "timestamp": [1]}).write_parquet(
        tmp_path / "whole"
    )
    content = (tmp_path / "whole").read_bytes()
    for length in (4, len(content) // 2, len(content) - 1):
        with pytest.raises(InputError, match=r"events\.parquet cannot be read"):
            events_of(tmp_path, content[:length], "events.parquet")


def test_two_files_of_one_table_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "events.csv").touch()
    (tmp_path / "events").mkdir()
    with pytest.raises(InputError, match=r"several events tables: events\.csv and events; keep one"):
        read_tables(tmp_path, Settings())


def test_a_folder_without_parts_a_folder_that_is_none_and_an_empty_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no events table"):
        read_tables(tmp_path, Settings())
    with pytest.raises(InputError, match="does not exist"):
        read_tables(tmp_path / "nowhere", Settings())
    (tmp_path / "events").mkdir()
    with pytest.raises(InputError, match=r"holds no \.parquet file"):
        read_tables(tmp_path, Settings())
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        read_tables(tmp_path / "file", Settings())
