"""The catalogue as columns to filter on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recsys.arrays import Int32
from recsys.catalogue import Catalogue
from recsys.filters.columns import Booleans, Column, Columns, Numbers, Paths, Texts, Times
from recsys.filters.dictionary import Coded
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

_NO_ATTRIBUTES: Mapping[str, Column] = {}
_NO_TEXTS: Mapping[str, Coded] = {}
ATTRIBUTES = "attributes."
_ATTRIBUTES_FILE = "filters.attributes.json"
_TEXTS = ("title", "category", "brand")


def columns_of(
    catalogue: Catalogue, attributes: Mapping[str, Column] = _NO_ATTRIBUTES, *, texts: Mapping[str, Coded] = _NO_TEXTS
) -> Columns:
    """title, category, brand, price, in_stock, created_at, and each attribute as ``attributes.<name>``.

    Words without a field are looked for in title, brand and category. Make it once a snapshot: the distinct texts of a
    column that is not among ``texts`` are worked out when a filter first needs them, seconds for a million titles, and
    kept.
    """
    fields: dict[str, Column] = {
        "title": Texts(texts.get("title", catalogue.titles)),
        "category": Paths(texts.get("category", catalogue.categories)),
        "brand": Texts(texts.get("brand", catalogue.brands)),
        "price": Numbers(catalogue.prices),
        "in_stock": Booleans(catalogue.in_stock),
        "created_at": Times(catalogue.created_at),
    }
    fields |= {f"{ATTRIBUTES}{name}": column for name, column in attributes.items()}
    return Columns(len(catalogue), fields, searched=("title", "brand", "category"))


def write_texts(out: SnapshotWriter, columns: Columns) -> None:
    """Store the distinct texts of ``columns_of`` a catalogue, so that no server works them out."""
    for name in _TEXTS:
        column = columns.by_name[name]
        assert isinstance(column, Texts | Paths)
        column.coded.write(out, f"filters.{name}")


def read_texts(src: SnapshotReader) -> dict[str, Coded]:
    """What ``write_texts`` stored, memory-mapped: nothing is read before a filter needs it."""
    return {name: Coded.read(src, f"filters.{name}") for name in _TEXTS if src.has(f"filters.{name}.codes")}


def write_attributes(out: SnapshotWriter, columns: Columns) -> None:
    """Store the attributes among ``columns``, which are text or numbers."""
    known = {name: column for name, column in columns.by_name.items() if name.startswith(ATTRIBUTES)}
    out.json(_ATTRIBUTES_FILE, [name.removeprefix(ATTRIBUTES) for name in known])
    for position, column in enumerate(known.values()):
        if isinstance(column, Texts):
            column.coded.write(out, f"filters.attributes.{position}")
        else:
            assert isinstance(column, Numbers)
            out.array(f"filters.attributes.{position}", column.values)


def attributes_at(columns: Columns, items: Int32) -> dict[str, list[str | float | None]]:
    """What ``columns`` hold of ``items`` (N,) beside the catalogue's own fields: N values a name, None = missing."""
    found: dict[str, list[str | float | None]] = {}
    for name, column in columns.by_name.items():
        if not name.startswith(ATTRIBUTES):
            continue
        if isinstance(column, Texts):
            codes = column.coded.codes[items]
            texts = iter(column.coded.dictionary.values.many(codes[codes >= 0]))
            values: list[str | float | None] = [next(texts) if code >= 0 else None for code in codes.tolist()]
        else:
            assert isinstance(column, Numbers)
            numbers = column.values[items]
            values = [
                None if missing else number
                for number, missing in zip(numbers.tolist(), np.isnan(numbers).tolist(), strict=True)
            ]
        found[name.removeprefix(ATTRIBUTES)] = values
    return found


def read_attributes(src: SnapshotReader) -> dict[str, Column]:
    """What ``write_attributes`` stored, memory-mapped; none in a snapshot written before there were filters."""
    names = src.json(_ATTRIBUTES_FILE) if src.has(_ATTRIBUTES_FILE) else []
    return {name: _attribute(src, f"filters.attributes.{position}") for position, name in enumerate(names)}


def _attribute(src: SnapshotReader, file: str) -> Column:
    return Numbers(src.array(file)) if src.has(file) else Texts(Coded.read(src, file))
