"""The three tables of a data folder under their canonical column names, cells as the files have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from index.cells import text
from index.formats import MALFORMED, SUFFIXES, column_names, keys_vary, read_file
from index.settings import EVENT_COLUMNS, FILE_NAME, ITEM_COLUMNS, USER_COLUMNS, Settings
from recsys.errors import InputError

_REQUIRED = {"events": EVENT_COLUMNS[:4], "items": ITEM_COLUMNS[:1], "users": USER_COLUMNS[:1]}
_CANONICAL = {"events": EVENT_COLUMNS, "items": ITEM_COLUMNS, "users": USER_COLUMNS}
_IDS = ("user_id", "item_id")
# A path of categories may come level by level, as attributes may hold several texts.
_MAY_BE_LISTS = ("category",)


@dataclass(frozen=True, slots=True)
class Tables:
    """events, items and users as read; None = no such file.

    Columns have canonical names; extra columns of events are left in the file, those of items and users are attributes
    and keep their names. Ids are text; other cells are whatever the file holds (text from CSV and JSON Lines, lists of
    text in attributes and categories where the latter has arrays). Fifteen million events of eight columns take about
    2 GB.
    """

    events: pl.DataFrame
    items: pl.DataFrame | None
    users: pl.DataFrame | None


def read_tables(folder: Path, settings: Settings) -> Tables:
    """The tables of ``folder``. Raises InputError in one sentence: missing, unreadable, empty, or lacking a column."""
    if not folder.is_dir():
        raise InputError(f"the data folder {folder} {'is not a folder' if folder.exists() else 'does not exist'}")
    events = _read_table(folder, "events", settings.columns.events)
    if events is None:
        raise InputError(f"{folder} has no events table; expected one of {', '.join(f'events{s}' for s in SUFFIXES)}")
    return Tables(
        events,
        _read_table(folder, "items", settings.columns.items),
        _read_table(folder, "users", settings.columns.users),
    )


def _read_table(folder: Path, name: str, renames: Mapping[str, str]) -> pl.DataFrame | None:
    found = [path for path in (folder / f"{name}{suffix}" for suffix in SUFFIXES) if path.exists()]
    if (folder / name).is_dir():
        found.append(folder / name)
    if len(found) > 1:
        raise InputError(f"{folder} has several {name} tables: {' and '.join(path.name for path in found)}; keep one")
    if not found:
        return None
    parts = _parts(found[0])
    tables = [_read_part(part, name, renames) for part in parts]
    table = tables[0] if len(tables) == 1 else pl.concat(tables, how="diagonal_relaxed")
    if not table.height:
        raise InputError(f"{found[0]} has no rows")
    return table


def _parts(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    parts = sorted(path.rglob("*.parquet"))
    if not parts:
        raise InputError(f"the folder {path} holds no .parquet file")
    return parts


def _read_part(path: Path, name: str, renames: Mapping[str, str]) -> pl.DataFrame:
    names = column_names(path)
    sources = {canonical: renames.get(canonical, canonical) for canonical in _CANONICAL[name]}
    if not keys_vary(path):
        _require(path, name, names, sources, renames)
    # Attributes of events are of no use to anyone, and at ten million rows they are the larger half of the file.
    single = [own for canonical, own in sources.items() if canonical not in _MAY_BE_LISTS]
    table = read_file(path, list(sources.values()) if name == "events" else None, single=single)
    _require(path, name, list(dict.fromkeys([*names, *table.columns])), sources, renames)
    attributes = [own for own in table.columns if own not in sources.values() and own not in sources]
    columns = [
        *(pl.col(own).alias(canonical) for canonical, own in sources.items() if own in table.columns),
        *(pl.col(own) for own in attributes if own != MALFORMED),
        *([pl.col(MALFORMED)] if MALFORMED in table.columns else []),
    ]
    return with_text_ids(table.select(columns), from_text=not path.name.endswith(".parquet"))


def _require(
    path: Path, name: str, names: Sequence[str], sources: Mapping[str, str], renames: Mapping[str, str]
) -> None:
    for canonical, own in sources.items():
        if own in names or (canonical not in _REQUIRED[name] and canonical not in renames):
            continue
        wanted = f"no column {own}" + (f" (for {canonical})" if own != canonical else "")
        listed = ", ".join(names[:40]) or "none"
        raise InputError(
            f"{path} has {wanted}; its columns are {listed}; other names are mapped in {FILE_NAME} under "
            f"[columns.{name}]"
        )


def with_text_ids(table: pl.DataFrame, *, from_text: bool) -> pl.DataFrame:
    """Ids as text. A text file's column that is all numbers, some of them ``12.0``, is a column of whole numbers:

    that is how integers with gaps are commonly written to CSV.
    """
    ids = [column for column in _IDS if column in table.columns]
    table = table.with_columns(text(column, table.schema[column]) for column in ids)
    if not from_text:
        return table
    floats = [column for column in ids if table.get_column(column).str.ends_with(".0").any()]
    whole = [column for column in floats if table.get_column(column).str.contains(r"^-?\d+(\.0)?$").all()]
    return table.with_columns(pl.col(column).str.strip_suffix(".0") for column in whole)
