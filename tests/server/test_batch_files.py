"""Users in, lists out."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.errors import InputError
from server.batch_files import Output, read_users


@pytest.mark.parametrize(
    "raw", [b"b\na\n", b"\xef\xbb\xbfb\r\na\r\n", b"b\n\n\na", b"b\na\nb\n"], ids=["plain", "BOM", "gaps", "twice"]
)
def test_text_names_one_user_a_line_each_once_in_order(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "users.txt"
    path.write_bytes(raw)

    assert read_users(path) == ["b", "a"]


def test_ids_may_hold_any_character_but_the_end_of_line(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    path.write_text("茶 1\n a\u2028b \n" + "x" * 128, encoding="utf-8")

    assert read_users(path) == ["茶 1", " a\u2028b ", "x" * 128]


@pytest.mark.parametrize("ids", [pa.array(["7", "5", None, "7"]), pa.array([7, 5, None, 7])])
def test_parquet_is_known_by_its_bytes_and_numbers_become_decimal_text(tmp_path: Path, ids: pa.Array) -> None:
    path = tmp_path / "users.any"
    pq.write_table(pa.table({"other": ids, "user_id": ids}), path)

    assert read_users(path) == ["7", "5"]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (None, "cannot be read: No such file"),
        (b"", "names no user"),
        (b"\n\r\n", "names no user"),
        (b"a\n\xff\xfe", "must be UTF-8"),
        (b"PAR1 but not really", "cannot be read as Parquet"),
        (b"x" * 129, "must hold ids of at most 128 characters, got 129"),
    ],
)
def test_what_names_nobody_is_one_sentence(tmp_path: Path, raw: bytes | None, sentence: str) -> None:
    path = tmp_path / "users"
    if raw is not None:
        path.write_bytes(raw)

    with pytest.raises(InputError, match=sentence):
        read_users(path)


def test_parquet_without_the_column_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "users")

    with pytest.raises(InputError, match="must have a column user_id"):
        read_users(tmp_path / "users")


def test_rows_are_ranked_from_one_and_typed(tmp_path: Path) -> None:
    output = Output(tmp_path / "lists.parquet")
    with output.rows() as rows:
        rows.add("u", ["b", "a"], [0.5, 0.25])
        rows.add("nobody", [], [])
        rows.add("茶", ["a"], [1.0])
    output.keep()

    table = pq.read_table(tmp_path / "lists.parquet")
    assert table.schema.names == ["user_id", "rank", "item_id", "score"]
    assert [str(type) for type in table.schema.types] == ["string", "int32", "string", "float"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("u", 1, "b", 0.5),
        ("u", 2, "a", 0.25),
        ("茶", 1, "a", 1.0),
    ]


def test_json_lines_hold_the_same_columns(tmp_path: Path) -> None:
    output = Output(tmp_path / "lists.jsonl")
    with output.rows() as rows:
        rows.add("茶", ["b"], [0.5])
    output.keep()

    (line,) = (tmp_path / "lists.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {"user_id": "茶", "rank": 1, "item_id": "b", "score": 0.5}


@pytest.mark.parametrize("name", ["lists.parquet", "lists.jsonl"])
def test_until_it_is_kept_the_old_file_stays_and_dropping_leaves_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("old")
    output = Output(path)
    with output.rows() as rows:
        rows.add("u", ["b"], [0.5])

    assert path.read_text() == "old"
    output.drop()
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["lists.csv", "lists", "nowhere/lists.parquet", "folder.parquet"])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.parquet").mkdir()

    with pytest.raises(InputError, match="--out"):
        Output(tmp_path / name)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe, ids = tmp_path / "pipe", [str(number) for number in range(5_000)]
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("\n".join(ids)))
    writer.start()
    assert read_users(pipe) == ids
    writer.join()


@pytest.mark.parametrize("column", [pa.array([1.0, None]), pa.array([True])])
def test_numbers_that_are_not_whole_are_no_ids(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"user_id": column}), tmp_path / "users")
    with pytest.raises(InputError, match="must have texts or whole numbers in the column user_id, got"):
        read_users(tmp_path / "users")


def test_the_longest_name_a_file_can_have_has_a_draft_too(tmp_path: Path) -> None:
    output = Output(tmp_path / f"{'n' * 240}.jsonl")
    output.rows().close()
    output.keep()
    assert [path.name for path in tmp_path.iterdir()] == [f"{'n' * 240}.jsonl"]
