"""What single items are now, of what was changed and what the snapshot has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import frozen
from recsys.model import Snapshot
from recsys.overlay.item_text import item_text, path_of, tidy
from recsys.overlay.labels import spelled
from recsys.stores.records import ItemValue, LiveItem, text_digest

# What is embedded where a manifest does not say, as in a rebuild.
TEXT_COLUMNS = ("title", "description", "category", "brand")
ATTRIBUTE = "attributes."
_INVENTORY = frozenset({"price", "stock", "in_stock"})
# No field of an item has the name.
_GONE = "#gone"


@dataclass(frozen=True, slots=True)
class Row:
    """One item. number: the snapshot's, -1 where it has none · attributes: by name, as text, none of them empty ·
    lists: of those that are lists, what they hold · text: what is embedded, "" when nothing is known, with its digest ·
    has_new_text: it is not the snapshot's · is_news: the snapshot does not say the same of the item.
    """

    item: LiveItem
    number: int
    title: str
    category: str
    brand: str
    price: float
    in_stock: bool
    created_at: int
    attributes: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    text: str
    digest: str
    has_new_text: bool
    is_news: bool


def rows_of(snapshot: Snapshot, items: Sequence[LiveItem]) -> list[Row]:
    """A row for each of ``items``, in their order."""
    catalogue = snapshot.catalogue
    numbers = catalogue.items.numbers([item.item_id for item in items]).tolist()
    known = frozen([number for number in numbers if number >= 0], np.int32)
    own = snapshot.filters.attributes(known)
    columns: dict[str, list[object]] = {
        "title": list(catalogue.titles.many(known)),
        "category": list(catalogue.categories.many(known)),
        "brand": list(catalogue.brands.many(known)),
        "price": catalogue.prices[known].tolist(),
        "in_stock": catalogue.in_stock[known].tolist(),
        "created_at": catalogue.created_at[known].tolist(),
        _GONE: np.isin(known, catalogue.gone).tolist(),
        **{f"{ATTRIBUTE}{name}": list(values) for name, values in own.items()},
    }
    names = text_columns(snapshot)
    found, place = [], 0
    for item, number in zip(items, numbers, strict=True):
        before = {name: values[place] for name, values in columns.items()} if number >= 0 else {}
        place += number >= 0
        found.append(_row(item, number, before, names))
    return found


def _row(item: LiveItem, number: int, before: Mapping[str, object], text_names: Sequence[str]) -> Row:
    """before: what the snapshot has, nothing for an item that it lacks."""
    fields = item.fields

    def text(name: str, tidied: Callable[[str], str]) -> str:
        return tidied(spelled(fields[name])) if name in fields else str(before.get(name, ""))

    title, category, brand = text("title", tidy), text("category", path_of), text("brand", tidy)
    attributes, lists = _attributes({**before, **fields})
    # The id stands in for a title that is missing, and says nothing.
    columns = {"title": "" if title == item.item_id else title, "category": category, "brand": brand}
    columns["description"] = spelled(fields.get("description"))
    told = tuple(columns[name] if name in columns else attributes.get(name, "") for name in text_names)
    said = item_text(item.item_id, told)
    read = {name if name in columns else f"{ATTRIBUTE}{name}" for name in text_names}
    is_same = number >= 0 and all(
        name in before and spelled(fields[name]) == spelled(before[name]) for name in fields.keys() & read
    )
    row = Row(
        item=item,
        number=number,
        title=title or item.item_id,
        category=category,
        brand=brand,
        price=price_of(item, before.get("price")),
        in_stock=item.is_sold(bool(before.get("in_stock", True))),
        created_at=int(_number(fields.get("created_at", before.get("created_at"))) or 0),
        attributes=attributes,
        lists=lists,
        text=said,
        digest=text_digest(said),
        has_new_text=not is_same,
        is_news=True,
    )
    return replace(row, is_news=False) if number >= 0 and _says(before, row) else row


def _says(before: Mapping[str, object], row: Row) -> bool:
    """Whether the snapshot says of an item what ``row`` does. One that is gone has nothing more to be said of."""
    if row.item.is_deleted or before[_GONE]:
        return row.item.is_deleted and bool(before[_GONE])
    return (
        not row.has_new_text
        and (row.title, row.category, row.brand) == (before["title"], before["category"], before["brand"])
        and np.array_equal(np.float32(row.price), np.float32(_price(before["price"])), equal_nan=True)
        and (row.in_stock, row.created_at) == (before["in_stock"], before["created_at"])
        and (row.attributes, row.lists) == _attributes(before)
    )


def _attributes(fields: Mapping[str, object]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """By name: all that are not empty as text, and those that are lists as what they hold."""
    values = {name.removeprefix(ATTRIBUTE): value for name, value in fields.items() if name.startswith(ATTRIBUTE)}
    texts = {name: cell for name, value in values.items() if (cell := spelled(value))}
    return texts, {name: value for name, value in values.items() if isinstance(value, tuple) and value}


def price_of(item: LiveItem, listed: object) -> float:
    """What the item costs now, NaN unknown; ``listed``: in the snapshot, None in none."""
    return _price(item.fields.get("price", listed))


def is_restocked(before: LiveItem | None, now: LiveItem) -> bool:
    """Whether price and stock are all that is another between ``before`` and ``now``."""
    if before is None or (before.is_deleted, before.created_us) != (now.is_deleted, now.created_us):
        return False
    return _without_inventory(before) == _without_inventory(now)


def text_columns(snapshot: Snapshot) -> tuple[str, ...]:
    """The columns that items' texts are made of, as the manifest says."""
    config = snapshot.manifest.config if snapshot.manifest else {}
    columns = config.get("text", {}).get("columns")
    return TEXT_COLUMNS if columns is None else tuple(columns)


def _without_inventory(item: LiveItem) -> dict[str, ItemValue | None]:
    return {name: value for name, value in item.fields.items() if name not in _INVENTORY}


def _price(value: object) -> float:
    price = _number(value)
    return float("nan") if price is None else price


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
