"""Tiny data sets, written as tables and read by the real reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from index.dataset import Dataset, load

DAY = 86_400
# Midnight UTC.
START = 18_000 * DAY
Row = dict[str, Any]


def event(user: str, item: str, day: float, kind: str = "purchase", **cells: Any) -> Row:
    """A row of the events table, ``day`` days after START."""
    return {"user_id": user, "item_id": item, "event_type": kind, "timestamp": START + round(day * DAY), **cells}


def write(folder: Path, events: Sequence[Row], *, items: Sequence[Row] = (), users: Sequence[Row] = ()) -> Path:
    """``folder`` with a table for each that has rows."""
    folder.mkdir(exist_ok=True)
    for name, rows in (("events", events), ("items", items), ("users", users)):
        if rows:
            pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture
def day() -> Callable[..., Row]:
    """``day(user, item, day, kind, **cells)``: a row of the events table."""
    return event


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., Path]:
    """``folder_of(events, items=..., users=...)``: a data folder."""
    return lambda events, **tables: write(tmp_path / "data", events, **tables)


@pytest.fixture
def dataset_of(folder_of: Callable[..., Path]) -> Callable[..., Dataset]:
    """``dataset_of(events, items=..., users=..., toml="")``: the tables as cleaned and numbered by the real reader."""

    def read(events: Sequence[Row], *, toml: str = "", **tables: Any) -> Dataset:
        folder = folder_of(events, **tables)
        if toml:
            (folder / "recsys.toml").write_text(toml, encoding="utf-8")
        return load(folder, now=START + 10_000 * DAY)

    return read


# Two shoppers of three products, and what the tables know besides: a product never sold, a user never seen.
EVENTS = (
    event("u1", "a", 0),
    event("u1", "b", 0),
    event("u1", "a", 7),
    event("u1", "a", 21),
    event("u1", "c", 21),
    event("u2", "a", 0, "view"),
    event("u2", "a", 1),
    event("u2", "b", 1, "view"),
)
ITEMS: tuple[Row, ...] = (
    {"item_id": "a", "title": "Green tea", "category": "Drinks > Tea", "price": 1.0},
    {"item_id": "b", "title": None, "category": "Drinks", "price": 1.0},
    {"item_id": "d", "title": "Cup", "category": None, "price": None},
)
USERS: tuple[Row, ...] = (
    {"user_id": "u1", "age": 30, "city": "Kiel"},
    {"user_id": "u3", "age": None, "city": "Ulm"},
)


@pytest.fixture
def small(dataset_of: Callable[..., Dataset]) -> Dataset:
    """Eight events that can be counted on fingers."""
    return dataset_of(EVENTS, items=ITEMS, users=USERS)
