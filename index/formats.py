"""Parquet, CSV and JSON Lines files as raw tables; one bad row never costs the file.

CSV and JSON Lines come back as columns of text, or of lists of text where a row of JSON Lines has an array. Rows a
reader cannot make sense of stay in the table, empty and marked in the column ``MALFORMED``, so that row numbers are
those of the file and cleaning counts them. Raises InputError, one sentence, when a file cannot be read at all.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from polars.exceptions import NoDataError, PanicException, PolarsError

from recsys.errors import InputError
from recsys.overlay.labels import spelled

MALFORMED = "#malformed"
SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")

_OVERFLOW = "#overflow"
_LINE = "#line"
_BLOCK_BYTES = 1 << 26
_LINES_FOR_KEYS = 10_000


def read_file(path: Path, wanted: Sequence[str] | None, *, single: Collection[str] = ()) -> pl.DataFrame:
    """The table in ``path``; only the columns in ``wanted`` that exist, or all of them for None.

    single: columns of one value a row: an array there is a text like any other.
    """
    with _one_sentence(path):
        if path.name.endswith(".parquet"):
            return _parquet(path, wanted)
        _refuse_other_encodings(path)
        if path.name.endswith((".csv", ".csv.gz")):
            return _csv(path, wanted)
        return _json_lines(path, wanted, single)


def column_names(path: Path) -> list[str]:
    """The names of the columns in ``path``: of JSON Lines, the keys of its first rows."""
    with _one_sentence(path):
        if path.name.endswith(".parquet"):
            return list(pl.read_parquet_schema(path))
        _refuse_other_encodings(path)
        if path.name.endswith((".csv", ".csv.gz")):
            return _csv_header(path)
        names = list(_keys(path, limit=_LINES_FOR_KEYS))
    if not names:
        raise InputError(f"{path} cannot be read: it is not one JSON object a line")
    return names


def keys_vary(path: Path) -> bool:
    """Whether a row may bring a column that no row before had, as in JSON Lines: ``column_names`` is then a sample."""
    return not path.name.endswith((".parquet", ".csv", ".csv.gz"))


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except NoDataError as error:
        raise InputError(f"{path} is empty") from error
    # The readers panic on some garbled files; a panic here is the file's fault, and no state outlives the call.
    except (PolarsError, PanicException, gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        first_line = next(iter(str(error).splitlines()), "").strip() or type(error).__name__
        raise InputError(f"{path} cannot be read: {first_line}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _refuse_other_encodings(path: Path) -> None:
    with _open(path) as file:
        start = file.read(4096)
    if not start.strip(b"\xef\xbb\xbf\r\n\t "):
        raise NoDataError
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16 text; save it as UTF-8")
    if b"\0" in start:
        raise InputError(f"{path} is not text, although its name says so")


def _parquet(path: Path, wanted: Sequence[str] | None) -> pl.DataFrame:
    there = [name for name in pl.read_parquet_schema(path) if wanted is None or name in set(wanted)]
    table = pl.read_parquet(path, columns=there, hive_partitioning=False)
    return table.with_columns(_decoded(table[name]) for name, dtype in table.schema.items() if dtype == pl.Binary)


def _decoded(column: pl.Series) -> pl.Series:
    """Bytes as text: some writers leave out the mark that says so. What is no UTF-8 becomes U+FFFD, as in CSV."""
    try:
        return column.cast(pl.String)
    except PolarsError:
        texts = (None if cell is None else cell.decode(errors="replace") for cell in column)
        return pl.Series(column.name, list(texts), dtype=pl.String)


# --- CSV -------------------------------------------------------------------------------------------------------------


def _csv_header(path: Path) -> list[str]:
    return pl.read_csv(path, n_rows=0, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True).columns


def _csv(path: Path, wanted: Sequence[str] | None) -> pl.DataFrame:
    names = _csv_header(path)
    there = names if wanted is None else [name for name in names if name in set(wanted)]
    try:
        table = _parse_csv(path, names, there)
        # A quote that is never closed swallows the lines after it; where an id is expected that shows as a line break.
        broken = wanted is not None and _holds_line_breaks(table)
    except PolarsError:
        broken = True
    if broken:
        table = _csv_by_line(path, names, there)
    return _mark_overflow(table)


def _parse_csv(source: Path | io.BytesIO, names: Sequence[str], there: Sequence[str]) -> pl.DataFrame:
    # One column more than the header has: whatever ends up in it came from a row with too many cells.
    schema = dict.fromkeys([*names, _OVERFLOW], pl.String)
    lazy = pl.scan_csv(
        source,
        schema=schema,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        missing_columns="insert",
    )
    return lazy.select(*there, pl.col(_OVERFLOW).is_not_null().alias(MALFORMED)).collect(engine="streaming")


def _holds_line_breaks(table: pl.DataFrame) -> bool:
    ids = [name for name in table.columns if table.schema[name] == pl.String]
    return bool(table.select(pl.any_horizontal(pl.col(ids).str.contains("\n", literal=True).any())).item())


def _csv_by_line(path: Path, names: Sequence[str], there: Sequence[str]) -> pl.DataFrame:
    """The table read line by line: a line whose quotes do not balance is malformed, the others stand."""
    with _open(path) as file:
        lines = _lines(file.read())
    balanced = pl.col(_LINE).str.count_matches('"', literal=True) % 2 == 0
    numbered = lines.slice(1).with_columns(good=balanced.fill_null(True))
    good = numbered.filter("good").get_column(_LINE).fill_null("")
    rows = _parse_csv(_body(pl.concat([lines.get_column(_LINE).head(1), good])), names, there)
    if rows.height != good.len():
        raise InputError(f"{path} cannot be read: its quotes do not balance")
    return _put_back(rows, numbered.get_column("good"))


def _mark_overflow(table: pl.DataFrame) -> pl.DataFrame:
    """Without blank lines at the end of the file, and without the mark when no row bears it."""
    filled = table.select(pl.any_horizontal(pl.all().exclude(MALFORMED).is_not_null() | pl.col(MALFORMED))).to_series()
    last = filled.arg_true().max()
    table = table.head(0 if last is None else int(str(last)) + 1)
    return table if table.get_column(MALFORMED).any() else table.drop(MALFORMED)


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def _json_lines(path: Path, wanted: Sequence[str] | None, single: Collection[str]) -> pl.DataFrame:
    names = _keys(path, limit=None) if wanted is None else dict.fromkeys(wanted, False)
    schema: dict[str, pl.DataType] = dict.fromkeys(names, pl.String())
    blocks = [_parse_block(path, block, schema) for block in _blocks(path)]
    if not any(block.height for block in blocks):
        raise NoDataError
    table = pl.concat((block for block in blocks if block.height), how="diagonal", rechunk=False)
    if MALFORMED in table.columns:
        table = table.with_columns(pl.col(MALFORMED).fill_null(False))
    table = table.with_columns(
        _listed(table[name]) for name, is_list in names.items() if is_list and name not in single
    )
    # A key that no row has is a missing column, one without a value is an empty one.
    absent = [name for name in names if name not in table.columns]
    empty = [name for name in _keys(path, limit=_LINES_FOR_KEYS) if name in absent] if absent else []
    return table.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in empty)


def _parse_block(path: Path, block: bytes, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """The rows of whole lines; when one of them cannot be parsed, malformed ones are marked and the others stand."""
    if not block.strip():
        return pl.DataFrame(schema=schema)
    try:
        return _filled(pl.read_ndjson(block, schema=schema))
    except PolarsError:
        filled = pl.col(_LINE).is_not_null() & pl.col(_LINE).str.contains(r"\S")
        lines = _lines(block).filter(filled).get_column(_LINE).str.strip_chars()
    good = lines.str.starts_with("{") & lines.str.json_path_match("$").is_not_null()
    kept = lines.filter(good)
    rows = pl.read_ndjson(_body(kept), schema=schema) if kept.len() else pl.DataFrame(schema=schema)
    if rows.height != kept.len():
        raise InputError(f"{path} cannot be read: it is not one JSON object a line")
    return _put_back(_filled(rows).with_columns(pl.lit(False).alias(MALFORMED)), good)


def _filled(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns that have a value: an empty text column costs as much as a short one, 16 bytes a row."""
    filled = [column for column in rows.get_columns() if column.null_count() < column.len()]
    return rows.select(filled or rows.columns[:1])


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in blocks of whole lines: a file several times the size of its table is never held at once."""
    with _open(path) as file:
        rest = file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
        while chunk := file.read(_BLOCK_BYTES):
            cut = chunk.rfind(b"\n") + 1
            if cut:
                yield rest + chunk[:cut]
                rest = chunk[cut:]
            else:
                rest += chunk
    yield rest


def _listed(column: pl.Series) -> pl.Series:
    """Cells as lists of text: of an array its entries, any other is the only one in its list."""
    is_array = (column.str.starts_with("[") & column.str.ends_with("]")).fill_null(False)
    try:
        entries = column.set(~is_array, None).str.json_decode(pl.List(pl.String))
    except PolarsError:
        # One of them is a text that only looks like an array.
        decoded = (_entries(cell) if array else None for cell, array in zip(column, is_array, strict=True))
        entries = pl.Series(column.name, list(decoded), dtype=pl.List(pl.String))
    return pl.select(pl.when(is_array).then(entries).otherwise(pl.concat_list(column)).alias(column.name)).to_series()


def _entries(cell: str) -> list[str]:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return [cell]
    return [
        json.dumps(entry, ensure_ascii=False) if isinstance(entry, list | dict) else spelled(entry) for entry in found
    ]


def _keys(path: Path, *, limit: int | None) -> dict[str, bool]:
    """The keys of the first rows, None: of all, and whether one has an array there."""
    names: dict[str, bool] = {}
    with _open(path) as file:
        for position, line in enumerate(file):
            if limit is not None and position >= limit:
                break
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                for name, value in row.items():
                    names[name] = isinstance(value, list) or names.get(name, False)
    return names


# --- Both ------------------------------------------------------------------------------------------------------------


def _lines(source: bytes) -> pl.DataFrame:
    """The lines of a text file as one column, without their ends."""
    lines = pl.read_csv(
        source, has_header=False, separator="\x01", quote_char=None, new_columns=[_LINE], schema={_LINE: pl.String},
        encoding="utf8-lossy", truncate_ragged_lines=True,
    )  # fmt: skip
    return lines.with_columns(pl.col(_LINE).str.strip_suffix("\r"))


def _body(lines: pl.Series) -> io.BytesIO:
    return io.BytesIO(str(lines.str.join("\n").item()).encode() + b"\n")


def _put_back(rows: pl.DataFrame, good: pl.Series) -> pl.DataFrame:
    """``rows`` at the places where ``good`` holds, malformed empty rows at the others."""
    places = pl.DataFrame({"good": good}).with_columns(
        place=pl.when("good").then(pl.col("good").cast(pl.UInt32).cum_sum() - 1)
    )
    joined = places.join(rows.with_row_index("place"), on="place", how="left", maintain_order="left")
    return joined.with_columns(pl.col(MALFORMED).fill_null(True)).drop("good", "place")
