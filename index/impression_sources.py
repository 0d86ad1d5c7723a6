"""Impressions from where they are kept: files of ``--feedback``, and the lists that servers log in live state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from index.cells import number, seconds, text
from index.feedback import placements_in
from index.formats import MALFORMED, SUFFIXES, column_names, keys_vary, read_file
from index.impressions import COLUMNS
from index.settings import Settings
from index.state_tables import US, StateTables
from index.tables import with_text_ids
from recsys.errors import InputError
from recsys.stores.protocols import State

NEEDED = ("user_id", "item_id", "timestamp", "position", "taken_at")
_OPTIONAL = ("serving_config",)
_MOST_POSITION = 1_000_000


def of_files(path: Path, *, most_rejected: float) -> tuple[pl.DataFrame, int]:
    """``COLUMNS`` of the file or of all files of the folder, and how many rows could not be read.

    A row says when an item was shown at what position, from 1, and when it was taken up, empty where it was passed
    over. InputError in one sentence: not there, unreadable, a column missing, or more than ``most_rejected`` of its
    rows make no sense.
    """
    if not path.exists():
        raise InputError(f"--feedback {path} does not exist")
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
    elif not path.name.endswith(SUFFIXES):
        raise InputError(f"--feedback {path} must end in one of {', '.join(SUFFIXES)}")
    if not files:
        raise InputError(f"the folder {path} holds no feedback; expected files that end in {', '.join(SUFFIXES)}")
    parts = [_read(file, most_rejected) for file in files]
    return pl.concat([rows for rows, _ in parts]), sum(n_rejected for _, n_rejected in parts)


def of_state(
    state: State,
    tables: StateTables,
    settings: Settings,
    *,
    since: int,
    advance: Callable[[int], None] = lambda _: None,
) -> pl.DataFrame:
    """``COLUMNS`` of the lists that were logged since then, epoch seconds; ``tables``: the rest of ``state``.

    An item is taken up by the first event that brings the list's token back, of any type that is worth something.
    """
    shown = placements_in(state, since * US, tables.links, advance).filter(pl.col("user_id").is_not_null())
    kinds = pl.col("event_type").str.strip_chars().str.to_lowercase().str.replace_all(r"[ -]", "_")
    worthless = [kind for kind, weight in settings.events.weights.items() if not weight]
    told = tables.events.filter(pl.col("request_id").is_not_null() & ~kinds.is_in(worthless))
    taken = told.group_by("request_id", "item_id").agg(taken=pl.col("time_us").min() // US)
    rows = shown.join(taken, on=["request_id", "item_id"], how="left", maintain_order="left")
    rows = rows.with_columns(time=pl.col("time_us") // US)
    # A caller's clock may be behind the server's.
    rows = rows.with_columns(taken=pl.when(pl.col("taken").is_not_null()).then(pl.max_horizontal("taken", "time")))
    return rows.select(pl.col(name).cast(COLUMNS[name]) for name in COLUMNS)


def to_file(placements: pl.DataFrame, path: Path) -> int:
    """Write ``Feedback.placements`` of people who are known as a file that ``of_files`` reads; the number of rows."""

    def utc(time_us: pl.Expr) -> pl.Expr:
        return pl.from_epoch(time_us, time_unit="us").dt.replace_time_zone("UTC")

    taken_us = pl.when(pl.col("taken_us").is_not_null()).then(pl.max_horizontal("taken_us", "time_us"))
    table = placements.filter(pl.col("user_id").is_not_null()).select(
        "user_id",
        "item_id",
        utc(pl.col("time_us")).alias("timestamp"),
        "position",
        "serving_config",
        utc(taken_us).alias("taken_at"),
    )
    table.write_parquet(path)
    return table.height


def _read(file: Path, most_rejected: float) -> tuple[pl.DataFrame, int]:
    if not keys_vary(file):
        _require(file, column_names(file))
    table = read_file(file, [*NEEDED, *_OPTIONAL])
    _require(file, table.columns)
    table = with_text_ids(table, from_text=not file.name.endswith(".parquet"))
    has = table.schema
    typed = table.select(
        "user_id",
        "item_id",
        seconds("timestamp", has["timestamp"]).alias("time"),
        number("position", has["position"]),
        (text("serving_config", has["serving_config"]) if "serving_config" in has else pl.lit(""))
        .fill_null("")
        .alias("serving_config"),
        seconds("taken_at", has["taken_at"]).alias("taken"),
        # A time that cannot be read must not pass for one that is not there.
        is_bad=text("taken_at", has["taken_at"]).is_not_null() & seconds("taken_at", has["taken_at"]).is_null(),
        is_malformed=pl.col(MALFORMED) if MALFORMED in has else pl.lit(False),
    )
    place = pl.col("position")
    sane = (
        pl.all_horizontal(pl.col("user_id", "item_id", "time").is_not_null())
        & (place.is_between(1, _MOST_POSITION) & (place == place.floor()))
        & (pl.col("taken").is_null() | (pl.col("taken") >= pl.col("time")))
        & ~pl.col("is_bad")
        & ~pl.col("is_malformed")
    )
    rows = typed.filter(sane.fill_null(False)).select(pl.col(name).cast(COLUMNS[name]) for name in COLUMNS)
    n_rejected = table.height - rows.height
    if n_rejected > most_rejected * table.height:
        raise InputError(
            f"{n_rejected:,} of {table.height:,} rows of {file} are no impressions, the limit is {most_rejected:.1%}: "
            f"each needs {', '.join(NEEDED[:3])}, a position from 1, and a taken_at that is empty or no earlier"
        )
    return rows, n_rejected


def _require(file: Path, names: list[str]) -> None:
    for name in NEEDED:
        if name not in names:
            listed = ", ".join(name for name in names[:40] if name != MALFORMED) or "none"
            raise InputError(f"{file} has no column {name}, which feedback needs; its columns are {listed}")
