"""Rows of events with typed cells, and what becomes of each."""

from __future__ import annotations

import polars as pl

from index.cells import BAD_ID, LONGEST_ID, number, seconds, text
from index.formats import MALFORMED

KEPT, SEARCH, AFTER_UNTIL, ERASED = 0, 1, 2, 3
# In the order they are checked; a row counts under the first that applies. Codes follow the four above.
REASONS = (
    "malformed_row",
    "missing_user_id",
    "missing_item_id",
    "id_too_long",
    "bad_id",
    "missing_event_type",
    "bad_time",
    "far_future",
    "bad_number",
    "negative_price",
    "negative_quantity",
    "duplicate",
)
_NUMBERS = ("quantity", "price", "value")
KEPT_COLUMNS = ("user_id", "item_id", "event_type", "time", *_NUMBERS, "platform")
CODES = {reason: code for code, reason in enumerate(REASONS, start=ERASED + 1)}
# Marks rows of erased users; no file can have it, for it is set after reading.
IS_ERASED = "#erased"


def typed_events(events: pl.DataFrame) -> pl.DataFrame:
    """Events with typed cells; numbers the file lacks are null. Computed in blocks: temporaries stay small."""
    has = events.schema
    spelled = text("event_type", has["event_type"])
    columns = [
        pl.col("user_id"),
        pl.col("item_id"),
        spelled.str.strip_chars().str.to_lowercase().str.replace_all(r"[ -]", "_").cast(pl.Categorical),
        seconds("timestamp", has["timestamp"]).alias("time"),
        *((number(name, has[name]) if name in has else pl.lit(None).alias(name)).cast(pl.Float32) for name in _NUMBERS),
        *(text(name, has[name]) for name in ("event_id", "session_id", "query") if name in has),
        (text("platform", has["platform"]) if "platform" in has else pl.lit(None, dtype=pl.String).alias("platform"))
        .str.strip_chars()
        .str.to_lowercase()
        .cast(pl.Categorical),
        pl.col(MALFORMED) if MALFORMED in has else pl.lit(False).alias(MALFORMED),
    ]
    return events.lazy().select(columns).collect(engine="streaming")


def outcomes(typed: pl.DataFrame, *, now: int, until: int | None, tolerance_s: float) -> pl.Series:
    """uint8 (n,): what becomes of each row, duplicates aside."""
    user, item, kind, time = (pl.col(name) for name in ("user_id", "item_id", "event_type", "time"))
    is_search = (kind == "search").fill_null(False)
    checks: list[tuple[int, pl.Expr]] = [
        (CODES["malformed_row"], pl.col(MALFORMED)),
        (AFTER_UNTIL, time >= until if until is not None else pl.lit(False)),
        (ERASED, pl.col(IS_ERASED) if IS_ERASED in typed.columns else pl.lit(False)),
        (CODES["missing_user_id"], user.is_null()),
        (CODES["missing_item_id"], item.is_null() & ~is_search),
        (CODES["id_too_long"], _either(user.str.len_chars() > LONGEST_ID, item.str.len_chars() > LONGEST_ID)),
        (CODES["bad_id"], _either(user.str.contains(BAD_ID), item.str.contains(BAD_ID))),
        (CODES["missing_event_type"], kind.is_null()),
        (CODES["bad_time"], time.is_null()),
        (CODES["far_future"], time > now + int(tolerance_s)),
        (CODES["bad_number"], pl.any_horizontal(pl.col(name).is_infinite() for name in _NUMBERS)),
        (CODES["negative_price"], pl.col("price") < 0),
        (CODES["negative_quantity"], pl.col("quantity") < 0),
        (SEARCH, item.is_null()),
    ]
    # From the last check to the first, so that the first that applies has the last word.
    outcome: pl.Expr = pl.lit(KEPT, dtype=pl.UInt8)
    for code, applies in reversed(checks):
        outcome = pl.when(applies.fill_null(False)).then(pl.lit(code, dtype=pl.UInt8)).otherwise(outcome)
    return typed.lazy().select(outcome.alias("outcome")).collect(engine="streaming").to_series()


def _either(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return a.fill_null(False) | b.fill_null(False)


def with_duplicates(typed: pl.DataFrame, outcome: pl.Series) -> pl.Series:
    """``outcome`` with the second and later copies of an event marked; the first in file order stays.

    Two rows are one event when they share their event_id, or, having none, everything that identifies them.
    """
    rows = typed.lazy().with_row_index("row").filter(outcome <= SEARCH)
    told = [name for name in ("session_id", "query") if name in typed.columns]
    whole = ["user_id", "item_id", "event_type", "time", *told]
    if "event_id" in typed.columns:
        named = rows.filter(pl.col("event_id").is_not_null())
        copies = _copies(named, ["event_id"])
        copies = pl.concat([copies, _copies(rows.filter(pl.col("event_id").is_null()), whole)])
    else:
        copies = _copies(rows, whole)
    return outcome.scatter(copies, CODES["duplicate"]) if copies.len() else outcome


def _copies(rows: pl.LazyFrame, key: list[str]) -> pl.Series:
    """Row numbers of repeated keys but the first of each."""
    # Hashes weed out nearly all rows in 8 bytes each; only rows whose hash occurs twice are compared in full.
    hashed = rows.select("row", *key, hash=pl.struct(key).hash())
    suspects = hashed.filter(pl.col("hash").is_duplicated()).collect()
    return suspects.filter(~pl.struct(key).is_first_distinct()).get_column("row")
