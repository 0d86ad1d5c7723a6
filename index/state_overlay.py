"""The catalogue and the profiles of the tables with what was changed since laid over them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from index.item_attributes import fitting
from index.settings import ITEM_COLUMNS
from recsys.overlay.labels import spelled
from recsys.stores.records import ItemValue, LiveItem, Value

_ATTRIBUTE = "attributes."
_ITEMS: Mapping[str, Any] = {
    "item_id": pl.String,
    "title": pl.String,
    "description": pl.String,
    "category": pl.String,
    "brand": pl.String,
    "price": pl.Float64,
    "stock": pl.Float64,
    "in_stock": pl.Boolean,
    "created_at": pl.Int64,
}


def with_changed_items(
    items: pl.DataFrame | None, changes: Sequence[LiveItem], named: Collection[str]
) -> tuple[pl.DataFrame | None, Mapping[str, int]]:
    """Cleaned ``items`` as ``changes`` left them, new ones at the end; and how many cells, by column, are unknown since
    they are not of the kind of their column: a word among numbers must not make words of all of them.

    named: items that events name. Of a deleted item the row stays only where events name it, since it is still shown in
    the histories of those who took it; a change of an item that is in no table, that no event names and that nobody
    created is of no item.
    """
    if not changes:
        return items, {}
    table = pl.DataFrame(schema=dict(_ITEMS)) if items is None else items
    known = set(table["item_id"].to_list())
    gone = [one.item_id for one in changes if one.is_deleted and one.item_id not in named]
    wanted = {
        one.item_id: one
        for one in changes
        if one.item_id in known or one.item_id in named or (one.is_created and not one.is_deleted)
    }
    fields = {id: _item_fields(one) for id, one in wanted.items()}
    lists = {
        name: pl.List(pl.String) for cells in fields.values() for name, cell in cells.items() if cell and _is_list(cell)
    }
    # A column that the table has stays what it is.
    dtypes = {**lists, **table.schema, **_ITEMS}
    fields = {
        id: {name: _fitting(cell, dtypes.get(name, pl.String)) for name, cell in cells.items()}
        for id, cells in fields.items()
    }
    if not fields and items is None:
        return None, {}
    fields, unfit = _of_their_kind(fields, table)
    return _overlaid(table, "item_id", fields, gone=gone, dtypes=dtypes), unfit


def _of_their_kind(
    fields: Mapping[str, Mapping[str, Any]], table: pl.DataFrame
) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """``fields`` without the cells that do not fit the attributes of ``table``, and how many those are."""
    texts: dict[str, dict[str, str]] = {}
    for id, cells in fields.items():
        for name, cell in cells.items():
            if isinstance(cell, str) and name not in _ITEMS and table.schema.get(name) == pl.String:
                texts.setdefault(name, {})[id] = cell
    mended = {id: dict(cells) for id, cells in fields.items()}
    unfit = {}
    for name, of_items in texts.items():
        fits = fitting(pl.Series(list(of_items.values()), dtype=pl.String), table[name]).to_list()
        for id, is_fitting in zip(of_items, fits, strict=True):
            if not is_fitting:
                mended[id][name] = None
        if n_unfit := fits.count(False):
            unfit[name] = n_unfit
    return mended, unfit


def with_changed_profiles(
    users: pl.DataFrame | None, profiles: Mapping[str, Mapping[str, Value | None]]
) -> pl.DataFrame | None:
    """Cleaned ``users`` with the attributes that were set since, users who are only in the state at the end."""
    if not profiles:
        return users
    table = pl.DataFrame(schema={"user_id": pl.String}) if users is None else users
    fields = {
        id: {name: _text(value) for name, value in attributes.items() if name != "user_id"}
        for id, attributes in profiles.items()
    }
    return _overlaid(table, "user_id", fields, gone=(), dtypes={})


def _overlaid(
    table: pl.DataFrame,
    key: str,
    fields: Mapping[str, Mapping[str, Any]],
    *,
    gone: Collection[str],
    dtypes: Mapping[str, Any],
) -> pl.DataFrame:
    """``table`` with the cells of ``fields`` (id -> column -> cell) and without the rows of ``gone``."""
    names = dict.fromkeys(name for cells in fields.values() for name in cells)
    table = table.with_columns(
        pl.lit(None, dtype=dtypes.get(name, pl.String)).alias(name) for name in names if name not in table.columns
    )
    is_changed = pl.col(key).is_in(list(fields))
    is_gone = pl.col(key).is_in(list(gone))
    rows = {row[key]: row for row in table.filter(is_changed & ~is_gone).iter_rows(named=True)}
    left_out = set(gone)
    for id, cells in fields.items():
        if id not in left_out:
            rows.setdefault(id, {key: id}).update(cells)
    changed = pl.DataFrame(list(rows.values()), schema=table.schema)
    return pl.concat([table.filter(~is_changed & ~is_gone), changed])


def _item_fields(item: LiveItem) -> dict[str, Any]:
    """Column -> cell. An attribute with the name of a column of ours is none, as in an items table."""
    cells: dict[str, Any] = {}
    for name, value in item.fields.items():
        if name.startswith(_ATTRIBUTE):
            column = name.removeprefix(_ATTRIBUTE)
            if column and column not in ITEM_COLUMNS:
                cells[column] = value if _is_list(value) else _text(value)
        elif name in ("price", "stock"):
            cells[name] = _number(value, least=0.0 if name == "price" else -math.inf)
        elif name == "in_stock":
            cells[name] = None if value is None else bool(value)
        elif name == "created_at":
            number = _number(value, least=0.0)
            cells[name] = None if number is None else int(number)
        elif name in _ITEMS and name != "item_id":
            cells[name] = _text(value)
    if not cells.keys().isdisjoint(("stock", "in_stock")):
        # What the table says of either is older. A count, where there is one, says more than yes or no.
        cells |= {"stock": cells.get("stock"), "in_stock": item.is_sold(True)}
    return cells


def _is_list(cell: Any) -> bool:
    return isinstance(cell, tuple)


def _fitting(cell: Any, dtype: Any) -> Any:
    """``cell`` in a column of ``dtype``: what is no list is the only one in its list, lists are text by commas."""
    if dtype == pl.List(pl.String):
        return [cell] if isinstance(cell, str) else list(cell or ()) or None
    return _text(cell) if _is_list(cell) else cell


def _number(value: ItemValue | None, *, least: float) -> float | None:
    try:
        number = math.nan if value is None or isinstance(value, tuple) else float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= least else None


def _text(value: ItemValue | None) -> str | None:
    """As cells of a table are read: whole numbers without ``.0``, blank is unknown."""
    text = spelled(value)
    return text if text.strip() else None
