"""Filters over changed items: what the snapshot's columns come to, put right where an item is another now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Int32, frozen
from recsys.filters.catalogue_columns import ATTRIBUTES, attributes_at
from recsys.filters.columns import Booleans, Column, Columns, Numbers, Paths, TextLists, Texts, Times
from recsys.filters.dictionary import Coded, Dictionary
from recsys.filters.kept import Filters
from recsys.filters.value_columns import flag_in
from recsys.grouping import positions
from recsys.overlay.changes import Changes
from recsys.overlay.rows import Row
from recsys.stores.records import ItemValue
from recsys.text_column import TextColumn

# As many attributes as a rebuild keeps of a table.
MOST_NEW_ATTRIBUTES = 64
_NO_TEXTS = Dictionary(TextColumn.of([]))


class ChangedFilters(Filters):
    """``base``, which goes on keeping what its own columns come to, under ``changes``.

    A filter is evaluated once more on the rows of the changes alone; what both come to is kept as long as this is.
    Make it by ``over``, and again when anything has changed.
    """

    def __init__(self, base: Filters, changes: Changes) -> None:
        super().__init__(base.columns)  # which nothing here reads by row
        self._base = base
        self._changes = changes
        self._known: dict[str, NDArray[np.uint8]] = {}
        self._known_lock = Lock()

    @property
    def n_left_out(self) -> int:
        """How many attributes the items have, beyond ``MOST_NEW_ATTRIBUTES`` new ones, that no filter can name."""
        names = {f"{ATTRIBUTES}{name}" for row in self._changes.rows for name in row.attributes}
        return len(names - self.columns.by_name.keys())

    @classmethod
    def over(cls, base: Filters, changes: Changes, before: Filters | None = None) -> ChangedFilters:
        """``base`` under ``changes``. before: of former changes, used again where it fits."""
        new = _new_attributes(base.columns, changes)
        if not new:
            return cls(base, changes)
        if isinstance(before, ChangedFilters) and before._base.columns.schema.kinds == {
            **base.columns.schema.kinds,
            **new,
        }:
            return cls(before._base, changes)
        return cls(Filters(_with_missing(base.columns, new)), changes)

    def restocked(self, changes: Changes) -> ChangedFilters:
        """Under ``changes`` that differ from those of this in price and stock alone: its other columns stay."""
        filters = ChangedFilters(self._base, changes)
        rows = self.__dict__.get("_rows")
        if rows is not None:
            now: dict[str, Column] = {"price": Numbers(changes.prices), "in_stock": Booleans(changes.in_stock)}
            filters.__dict__["_rows"] = Columns(len(changes), {**rows.by_name, **now}, rows.searched)
        return filters

    def check(self, text: str) -> None:
        """As ``Filters``."""
        self._base.check(text)

    def pin(self, text: str) -> None:
        """As ``Filters``."""
        self._base.pin(text)

    def mask(self, text: str) -> Bool:
        """As ``Filters``."""
        return np.unpackbits(self.bits(text), count=self._n_items).view(np.bool_)

    def bits(self, text: str) -> NDArray[np.uint8]:
        """As ``Filters``."""
        with self._known_lock:
            known = self._known.get(text)
        if known is not None:
            return known
        predicate = self._base.predicate(text)
        mask = np.zeros(self._n_items, np.bool_)
        mask[: self._changes.n_items] = self._base.mask(text)
        mask[self._changes.numbers] = predicate.mask(self._rows)
        bits = np.packbits(mask)
        with self._known_lock:
            if len(self._known) >= self.most:
                self._known.clear()
            self._known[text] = bits
        return bits

    def attributes(self, items: Int32) -> dict[str, list[ItemValue | None]]:
        """As ``Filters``."""
        place, changed = positions(self._changes.numbers, items)
        rows = attributes_at(self._rows, np.arange(len(self._changes), dtype=np.int32))
        found = {}
        # Those of the first item stand in where the snapshot has no row, or no longer the right one.
        for name, values in self._base.attributes(np.where(changed, 0, items).astype(np.int32)).items():
            told = iter(place[changed].tolist())
            found[name] = [
                rows[name][next(told)] if is_changed else value
                for value, is_changed in zip(values, changed.tolist(), strict=True)
            ]
        return found

    @property
    def _n_items(self) -> int:
        return self._changes.n_items + self._changes.n_new

    @cached_property
    def _rows(self) -> Columns:
        """The columns of the changes alone; worked out when the first filter is asked for."""
        changes = self._changes
        fields: dict[str, Column] = {
            "title": Texts(Coded.of(row.title for row in changes.rows)),
            "category": Paths(Coded.of(row.category for row in changes.rows)),
            "brand": Texts(Coded.of(row.brand for row in changes.rows)),
            "price": Numbers(changes.prices),
            "in_stock": Booleans(changes.in_stock),
            "created_at": Times(changes.created_at),
        }
        for name, kind in self._base.columns.schema.kinds.items():
            if name.startswith(ATTRIBUTES):
                fields[name] = _attribute(name.removeprefix(ATTRIBUTES), kind, changes.rows)
        return Columns(len(changes), fields, self.columns.searched)


def number_in(text: str) -> float | None:
    """The finite number that ``text`` spells, None where it spells none."""
    try:
        number = float(text)
    except ValueError:
        return None
    # Python reads 1_000 as a number, tables do not.
    return number if math.isfinite(number) and "_" not in text else None


def _attribute(name: str, kind: type[Column], rows: Sequence[Row]) -> Column:
    """The attribute ``name`` of ``rows`` as a column of ``kind``; what that cannot hold is missing."""
    texts = [row.attributes.get(name, "") for row in rows]
    if kind is TextLists:
        # What is no list is the only one in its list, as in a table.
        return TextLists.of(row.lists.get(name, (text,) if text else ()) for row, text in zip(rows, texts, strict=True))
    if kind is Booleans:
        flags = [flag_in(text) for text in texts]
        known = frozen([flag is not None for flag in flags], np.bool_)
        return Booleans(frozen([bool(flag) for flag in flags], np.bool_), known)
    if kind is Numbers:
        numbers = [number_in(text) for text in texts]
        return Numbers(frozen([math.nan if number is None else number for number in numbers], np.float64))
    return Texts(Coded.of(texts))


def _new_attributes(columns: Columns, changes: Changes) -> dict[str, type[Column]]:
    """Kinds of the attributes that the snapshot lacks, as a rebuild would have them: lists where any is one, numbers or
    true and false where all are, text else.
    """
    found: dict[str, type[Column]] = {}
    for row in changes.rows:
        for name, text in row.attributes.items():
            field = f"{ATTRIBUTES}{name}"
            if field not in columns.by_name and found.get(field) is not TextLists:
                kind = TextLists if name in row.lists else _kind_of(text)
                before = found.get(field, kind)
                found[field] = kind if kind in (before, TextLists) else Texts
    return dict(sorted(found.items())[:MOST_NEW_ATTRIBUTES])


def _kind_of(text: str) -> type[Column]:
    if number_in(text) is not None:
        return Numbers
    return Texts if flag_in(text) is None else Booleans


def _with_missing(columns: Columns, kinds: Mapping[str, type[Column]]) -> Columns:
    """``columns`` and one without a single value for each of ``kinds``; they take no memory."""
    n_items = columns.n_items
    nobody = np.broadcast_to(np.False_, (n_items,))
    nothing: dict[type[Column], Column] = {
        Texts: Texts(Coded(_NO_TEXTS, np.broadcast_to(np.int32(-1), (n_items,)))),
        TextLists: TextLists(_NO_TEXTS, np.broadcast_to(np.int64(0), (n_items + 1,)), np.empty(0, np.int32)),
        Numbers: Numbers(np.broadcast_to(np.float64("nan"), (n_items,))),
        Booleans: Booleans(nobody, nobody),
    }
    missing = {name: nothing[kind] for name, kind in kinds.items()}
    return Columns(n_items, {**columns.by_name, **missing}, columns.searched)
