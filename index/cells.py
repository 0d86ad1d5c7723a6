"""Cells of any column type as text, numbers, times and truth values: polars expressions, never an exception.

A cell that cannot be read comes back as null (``number``: as infinity, so that it can be told from an empty one), and
cleaning counts it. The same cell reads the same from Parquet, CSV and JSON Lines.
"""

from __future__ import annotations

import polars as pl

from recsys.overlay.labels import LIST_SEPARATOR

EARLIEST = 0
LATEST = 4_102_444_800  # 2100-01-01
LARGEST = 3.0e38  # what float32 still holds
LONGEST_ID = 128  # characters
# What no id may contain: control characters, line separators, and the mark decoding leaves where bytes were no text.
BAD_ID = r"[\p{Cc}\p{Zl}\p{Zp}\x{FFFD}]"

_UNKNOWN = ("", "nan", "null", "none", "na", "n/a")
_TRUE = ("true", "t", "yes", "y", "1", "in stock", "in_stock", "instock", "available")
_FALSE = ("false", "f", "no", "n", "0", "out of stock", "out_of_stock", "outofstock", "unavailable")
_DECIMAL = r"^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$"
_ISO = (
    r"^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
    r" ?(?:[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$"
)


def text(column: str, dtype: pl.DataType) -> pl.Expr:
    """Cells as text; whole floats lose their ``.0``, lists become `` > `` paths; blank, NaN and bytes are null."""
    return _text(pl.col(column), dtype).alias(column)


def texts(column: str, dtype: pl.DataType) -> pl.Expr:
    """Cells that are lists as lists of what ``text`` makes of their entries, stripped; null where nothing is left.

    Lists of lists and of structs are null.
    """
    cell = pl.col(column)
    if isinstance(dtype, pl.Array):
        cell = cell.arr.to_list()
    inner = _inner(dtype)
    if inner is None or inner.is_nested() or inner in (pl.Binary, pl.Duration, pl.Null):
        return pl.lit(None, dtype=pl.List(pl.String)).alias(column)
    entries = cell.list.eval(_text(pl.element(), inner).str.strip_chars().drop_nulls())
    return pl.when(entries.list.len() > 0).then(entries).alias(column)


def joined(column: str, dtype: pl.DataType) -> pl.Expr:
    """Cells of cleaned attributes as text: lists of text by commas."""
    cell = pl.col(column)
    return cell.list.join(LIST_SEPARATOR) if isinstance(dtype, pl.List) else cell


def is_list(dtype: pl.DataType) -> bool:
    """Whether cells of this type are lists."""
    return _inner(dtype) is not None


def is_unreadable(dtype: pl.DataType) -> bool:
    """Whether no cell of this type can be told as text or a list of text: structs, bytes, spans, and lists of them."""
    inner = _inner(dtype)
    told = dtype if inner is None else inner
    return told in (pl.Binary, pl.Duration) or told.is_nested()


def _inner(dtype: pl.DataType) -> pl.DataType | None:
    """The type of entries of a list; None for what is none."""
    return dtype.inner if isinstance(dtype, pl.List | pl.Array) else None  # type: ignore[return-value]


def _text(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_float():
        whole = (cell == cell.floor()) & (cell.abs() < 2.0**63)
        spelled = pl.when(whole).then(cell.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(cell.cast(pl.String))
        return pl.when(cell.is_not_nan()).then(spelled)
    if isinstance(dtype, pl.Decimal):
        spelled = cell.cast(pl.String).str.replace(r"\.0*$|(\.\d*?)0+$", "$1")
    elif isinstance(dtype, pl.List) and dtype.inner == pl.String:
        spelled = cell.list.join(" > ")
    elif dtype.is_nested() or dtype in (pl.Binary, pl.Duration):
        spelled = pl.lit(None, dtype=pl.String)
    else:
        spelled = cell.cast(pl.String, strict=False)
    return pl.when(spelled.str.contains(r"\S")).then(spelled)


def number(column: str, dtype: pl.DataType) -> pl.Expr:
    """Cells as float64: null where there is none, infinite where there is one that cannot be read or held."""
    cell = pl.col(column)
    if dtype.is_numeric() or dtype == pl.Boolean:
        value = cell.cast(pl.Float64, strict=False)
    elif dtype == pl.Null:
        return pl.lit(None, dtype=pl.Float64).alias(column)
    elif dtype == pl.String or dtype == pl.Categorical:
        spelled = cell.cast(pl.String, strict=False).str.strip_chars()
        read = spelled.cast(pl.Float64, strict=False).fill_null(float("inf"))
        value = pl.when(spelled.str.to_lowercase().is_in(_UNKNOWN).not_()).then(read)
    else:
        value = pl.when(cell.is_not_null()).then(float("inf"))
    value = value.fill_nan(None)
    return pl.when(value.abs() > LARGEST).then(float("inf")).otherwise(value).alias(column)


def seconds(column: str, dtype: pl.DataType) -> pl.Expr:
    """Cells as int64 epoch seconds, UTC: null where missing, unreadable or outside 1970 to 2100.

    Reads dates, datetimes of any unit (naive = UTC), ISO-8601 text, and epoch seconds as numbers or text.
    """
    cell = pl.col(column)
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        value = cell.cast(pl.Datetime("us"), strict=False) if dtype == pl.Date else cell
        stamp = value.dt.epoch("s")
    elif dtype.is_numeric():
        stamp = epoch(cell.cast(pl.Float64, strict=False)) if not dtype.is_integer() else cell
        stamp = stamp.cast(pl.Int64, strict=False)
    elif dtype == pl.String or dtype == pl.Categorical:
        spelled = cell.cast(pl.String, strict=False).str.strip_chars()
        numeric = epoch(spelled.cast(pl.Float64, strict=False))
        stamp = pl.when(spelled.str.contains(_DECIMAL)).then(numeric).otherwise(_iso(spelled))
    else:
        stamp = pl.lit(None, dtype=pl.Int64)
    return pl.when(stamp.is_between(EARLIEST, LATEST, closed="left")).then(stamp).alias(column)


def truth(column: str, dtype: pl.DataType) -> pl.Expr:
    """Cells as booleans; null where neither a yes nor a no can be read."""
    if dtype.is_numeric():
        return (pl.col(column) > 0).alias(column)
    spelled = text(column, dtype).str.strip_chars().str.to_lowercase()
    yes = pl.when(spelled.is_in(_TRUE)).then(True).when(spelled.is_in(_FALSE)).then(False)
    return yes.alias(column)


def epoch(value: pl.Expr) -> pl.Expr:
    """float64 seconds as int64, rounded down; null for NaN and what int64 cannot hold."""
    return value.floor().cast(pl.Int64, strict=False)


def _iso(spelled: pl.Expr) -> pl.Expr:
    # Fixed positions after one check of the shape: three times as fast as groups of a regular expression, and the
    # offset is taken from what follows the minutes, where a date's own dashes cannot be.
    known = pl.when(spelled.str.contains(_ISO)).then(spelled)
    clock = pl.when(known.str.len_bytes() > 10).then(known.str.slice(11, 5)).otherwise(pl.lit("00:00"))
    with_seconds = known.str.slice(16, 1) == ":"
    second = pl.when(with_seconds).then(known.str.slice(17, 2)).otherwise(pl.lit("00"))
    local = pl.concat_str(known.str.slice(0, 10), pl.lit("T"), clock, pl.lit(":"), second)
    stamp = local.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_unit="us").dt.epoch("s")
    offset = known.str.slice(16).str.extract(r"([+-]\d{2}:?(?:\d{2})?)$").str.replace(":", "")
    hours = offset.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0)
    minutes = offset.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    ahead = (hours * 60 + minutes) * 60
    return stamp - pl.when(offset.str.starts_with("-")).then(-ahead).otherwise(ahead)
