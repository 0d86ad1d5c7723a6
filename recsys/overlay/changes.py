"""Changed and new items as columns: what each is now, of what was changed and what the snapshot has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.model import Snapshot
from recsys.overlay.item_text import item_text, path_of, tidy
from recsys.overlay.labels import spelled
from recsys.stores.records import LiveItem, Value

# What is embedded where a manifest does not say, as in a rebuild.
TEXT_COLUMNS = ("title", "description", "category", "brand")
_ATTRIBUTE = "attributes."
_INVENTORY = frozenset({"price", "stock", "in_stock"})


@dataclass(frozen=True, slots=True)
class Changes:
    """c items, known ones in the snapshot's order, then new ones in the order in which they were created.

    numbers (c,) int32 ascending, from n_items on for new ones · titles: the id where there is none · prices, in_stock,
    created_at (c,) as in ``Catalogue`` · attributes: by name, as text, "" unknown · texts: what is embedded, "" when
    nothing is known · has_new_text (c,): the text is not the snapshot's · gone int32: numbers that were deleted.
    """

    n_items: int
    numbers: Int32
    ids: tuple[str, ...]
    titles: Sequence[str]
    categories: Sequence[str]
    brands: Sequence[str]
    prices: Float32
    in_stock: Bool
    created_at: Int64
    attributes: Mapping[str, Sequence[str]]
    texts: Sequence[str]
    has_new_text: Bool
    gone: Int32

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def n_known(self) -> int:
        """How many of them the snapshot has."""
        return int(np.searchsorted(self.numbers, self.n_items))

    @property
    def n_new(self) -> int:
        """How many it has not."""
        return len(self) - self.n_known

    @classmethod
    def of(cls, snapshot: Snapshot, items: Sequence[LiveItem]) -> Changes:
        """``items`` over ``snapshot``. Those that it lacks and that were never created are nothing yet."""
        ids = snapshot.catalogue.items
        numbers = ids.numbers([item.item_id for item in items]).tolist()
        known = sorted((number, place) for place, number in enumerate(numbers) if number >= 0)
        created = [item for item, number in zip(items, numbers, strict=True) if number < 0 and item.created_us]
        new = sorted(created, key=lambda item: (item.created_us, item.item_id))
        chosen = [*(items[place] for _, place in known), *new]
        n_items = len(ids)
        places = frozen([*(number for number, _ in known), *range(n_items, n_items + len(new))], np.int32)
        return cls._merged(snapshot, chosen, places, len(known))

    def restocked(self, snapshot: Snapshot, items: Sequence[LiveItem]) -> Changes:
        """The same with the prices and the stock of ``items``, some of these."""
        places = {item_id: place for place, item_id in enumerate(self.ids)}
        prices, in_stock = self.prices.copy(), self.in_stock.copy()
        for item in items:
            place = places[item.item_id]
            number = int(self.numbers[place])
            is_known = number < self.n_items
            listed = float(snapshot.catalogue.prices[number]) if is_known else None
            prices[place] = _number(item.fields.get("price", listed))
            in_stock[place] = item.is_sold(bool(snapshot.catalogue.in_stock[number]) if is_known else True)
        return replace(self, prices=frozen(prices, np.float32), in_stock=frozen(in_stock, np.bool_))

    @classmethod
    def _merged(cls, snapshot: Snapshot, items: Sequence[LiveItem], numbers: Int32, n_known: int) -> Changes:
        catalogue, here = snapshot.catalogue, numbers[:n_known]
        nothing = [""] * (len(items) - n_known)
        before = {
            "title": [*catalogue.titles.many(here), *nothing],
            "category": [*catalogue.categories.many(here), *nothing],
            "brand": [*catalogue.brands.many(here), *nothing],
        }
        own = snapshot.filters.attributes(here)
        attributes = _attributes(items, own, len(nothing))
        before |= {f"{_ATTRIBUTE}{name}": [spelled(value) for value in values] for name, values in own.items()}
        titles = _texts(items, "title", before["title"], tidy)
        columns = {
            "title": ["" if title == item.item_id else title for title, item in zip(titles, items, strict=True)],
            "category": _texts(items, "category", before["category"], path_of),
            "brand": _texts(items, "brand", before["brand"], tidy),
            "description": [spelled(item.fields.get("description")) for item in items],
        }
        names = text_columns(snapshot)
        told = [columns[name] if name in columns else attributes.get(name, [""] * len(items)) for name in names]
        texts = [
            item_text(item.item_id, values)
            for item, values in zip(items, zip(*told, strict=True) if told else [()] * len(items), strict=True)
        ]
        fields = frozenset(name if name in columns else f"{_ATTRIBUTE}{name}" for name in names)
        is_known = [place < n_known for place in range(len(items))]
        has_new_text = [
            not known or not _says_the_same(item, fields, before, place)
            for place, (item, known) in enumerate(zip(items, is_known, strict=True))
        ]
        listed = [*catalogue.prices[here].tolist(), *[None] * len(nothing)]
        created = [*catalogue.created_at[here].tolist(), *[0] * len(nothing)]
        stocked = [*catalogue.in_stock[here].tolist(), *[True] * len(nothing)]
        return cls(
            n_items=len(catalogue),
            numbers=numbers,
            ids=tuple(item.item_id for item in items),
            titles=[title or item.item_id for title, item in zip(titles, items, strict=True)],
            categories=columns["category"],
            brands=columns["brand"],
            prices=frozen(
                [_number(item.fields.get("price", was)) for item, was in zip(items, listed, strict=True)], np.float32
            ),
            in_stock=frozen([item.is_sold(was) for item, was in zip(items, stocked, strict=True)], np.bool_),
            created_at=frozen(
                [int(item.fields.get("created_at", was) or 0) for item, was in zip(items, created, strict=True)],
                np.int64,
            ),
            attributes=attributes,
            texts=texts,
            has_new_text=frozen(has_new_text, np.bool_),
            gone=numbers[[item.is_deleted for item in items]] if items else numbers,
        )


def is_restocked(before: LiveItem | None, now: LiveItem) -> bool:
    """Whether price and stock are all that is another between ``before`` and ``now``."""
    if before is None or (before.is_deleted, before.created_us) != (now.is_deleted, now.created_us):
        return False
    return _without_inventory(before) == _without_inventory(now)


def _without_inventory(item: LiveItem) -> dict[str, Value | None]:
    return {name: value for name, value in item.fields.items() if name not in _INVENTORY}


def text_columns(snapshot: Snapshot) -> tuple[str, ...]:
    """The columns that items' texts are made of, as the manifest says."""
    config = snapshot.manifest.config if snapshot.manifest else {}
    columns = config.get("text", {}).get("columns")
    return TEXT_COLUMNS if columns is None else tuple(columns)


def _texts(items: Sequence[LiveItem], name: str, before: Sequence[str], tidied: object) -> list[str]:
    assert callable(tidied)
    return [
        tidied(spelled(item.fields[name])) if name in item.fields else was
        for item, was in zip(items, before, strict=True)
    ]


def _says_the_same(item: LiveItem, fields: frozenset[str], before: Mapping[str, Sequence[str]], place: int) -> bool:
    """Whether nothing that the text is made of was changed."""
    return all(
        name in before and spelled(item.fields[name]) == before[name][place] for name in item.fields.keys() & fields
    )


def _attributes(
    items: Sequence[LiveItem], before: Mapping[str, Sequence[str | float | None]], n_new: int
) -> dict[str, list[str]]:
    """By name, those ``before`` in the snapshot and those that came: as text, "" unknown."""
    found = {name: [*(spelled(value) for value in values), *[""] * n_new] for name, values in before.items()}
    for place, item in enumerate(items):
        for field, value in item.fields.items():
            if field.startswith(_ATTRIBUTE):
                name = field.removeprefix(_ATTRIBUTE)
                found.setdefault(name, [""] * len(items))[place] = spelled(value)
    return found


def _number(value: Value | None) -> float:
    return float("nan") if value is None else float(value)
