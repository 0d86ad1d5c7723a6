"""Cleaning of the items and users tables: one row an id, cells that cannot be read become unknown."""

from __future__ import annotations

import polars as pl

from index.cells import BAD_ID, LONGEST_ID, is_list, is_unreadable, number, seconds, text, texts, truth
from index.cleaning_report import Rejections, TableReport
from index.formats import MALFORMED
from index.settings import ITEM_COLUMNS
from recsys.errors import InputError

_TEXTS = ("title", "description", "category", "brand")


def clean_items(table: pl.DataFrame) -> tuple[pl.DataFrame, TableReport]:
    """One row an item id: every canonical column (null unknown) and the attributes as text or lists of text.

    item_id, title, description, category, brand text · price, stock float64 · in_stock boolean · created_at int64
    epoch seconds. The first row of an id wins. Raises InputError when no row is left.
    """
    has = table.schema
    numbers = [name for name in ("price", "stock") if name in has]
    columns = [
        *(text(name, has[name]) if name in has else _nothing(name, pl.String()) for name in _TEXTS),
        *(number(name, has[name]) if name in has else _nothing(name, pl.Float64()) for name in ("price", "stock")),
        truth("in_stock", has["in_stock"]) if "in_stock" in has else _nothing("in_stock", pl.Boolean()),
        seconds("created_at", has["created_at"]) if "created_at" in has else _nothing("created_at", pl.Int64()),
        *(
            (texts if is_list(has[name]) else text)(name, has[name])
            for name in table.columns
            if name not in ITEM_COLUMNS and name != MALFORMED
        ),
    ]
    typed, outcome, codes = _one_row_an_id(table, "item_id", columns)
    kept = typed.filter(outcome == 0)
    bad = {name: int(kept[name].is_infinite().sum()) for name in numbers}
    mended = {f"bad_{name}": count for name, count in bad.items()}
    mended["negative_price"] = int(((kept["price"] < 0) & kept["price"].is_finite()).sum())
    kept = kept.with_columns(
        pl.when(pl.col("price").is_finite() & (pl.col("price") >= 0)).then(pl.col("price")).alias("price"),
        pl.when(pl.col("stock").is_finite()).then(pl.col("stock")).alias("stock"),
    )
    for name, dtype in has.items():
        if name not in ITEM_COLUMNS and name != MALFORMED and is_unreadable(dtype):
            mended[f"unreadable_{name}"] = int(table.filter(outcome == 0)[name].is_not_null().sum())
    if "created_at" in has:
        unread = table.filter(outcome == 0).select(text("created_at", has["created_at"]).is_not_null().sum()).item()
        mended["bad_created_at"] = int(unread) - int(kept["created_at"].is_not_null().sum())
    return kept, _report(outcome, codes, {reason: count for reason, count in mended.items() if count}, "items")


def clean_users(table: pl.DataFrame) -> tuple[pl.DataFrame, TableReport]:
    """One row a user id: user_id and the profile columns as text (null unknown). Raises InputError without rows."""
    columns = [text(name, dtype) for name, dtype in table.schema.items() if name not in ("user_id", MALFORMED)]
    typed, outcome, codes = _one_row_an_id(table, "user_id", columns)
    return typed.filter(outcome == 0), _report(outcome, codes, {}, "users")


def _one_row_an_id(
    table: pl.DataFrame, key: str, columns: list[pl.Expr]
) -> tuple[pl.DataFrame, pl.Series, dict[str, int]]:
    """The typed table, uint8 (n,) 0 where a row is kept, and the code of each reason."""
    typed = table.select(pl.col(key), *columns)
    malformed = pl.col(MALFORMED) if MALFORMED in table.columns else pl.lit(False)
    # A malformed row may still show an id; it must not make the sound row of that id a duplicate.
    identity = pl.when(~malformed).then(pl.col(key))
    checks = {
        "malformed_row": malformed,
        f"missing_{key}": identity.is_null(),
        "id_too_long": identity.str.len_chars() > LONGEST_ID,
        "bad_id": identity.str.contains(BAD_ID),
        "duplicate": ~identity.is_first_distinct(),
    }
    codes = {reason: code for code, reason in enumerate(checks, start=1)}
    outcome: pl.Expr = pl.lit(0, dtype=pl.UInt8)
    for reason, applies in reversed(checks.items()):
        outcome = pl.when(applies.fill_null(False)).then(pl.lit(codes[reason], dtype=pl.UInt8)).otherwise(outcome)
    return typed, table.select(outcome.alias("outcome")).to_series(), codes


def _report(outcome: pl.Series, codes: dict[str, int], mended: dict[str, int], name: str) -> TableReport:
    n_kept = int((outcome == 0).sum())
    rejections = Rejections.of(outcome, codes)
    if not n_kept:
        reason = max(rejections.counts, key=rejections.counts.__getitem__)
        raise InputError(f"no row of the {name} table can be used; the most common reason is {reason}")
    return TableReport(outcome.len(), n_kept, rejections, mended)


def _nothing(name: str, dtype: pl.DataType) -> pl.Expr:
    return pl.lit(None, dtype=dtype).alias(name)
