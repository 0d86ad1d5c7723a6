"""The catalogue as columns to filter on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recsys.arrays import Int32
from recsys.catalogue import Catalogue
from recsys.filters.columns import Booleans, Column, Columns, Numbers, Paths, TextLists, Texts, Times
from recsys.filters.dictionary import Coded
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.stores.records import ItemValue

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
    """Store the attributes among ``columns``, which are text, numbers, true or false, or lists of text."""
    known = {name: column for name, column in columns.by_name.items() if name.startswith(ATTRIBUTES)}
    out.json(_ATTRIBUTES_FILE, [name.removeprefix(ATTRIBUTES) for name in known])
    for position, column in enumerate(known.values()):
        file = f"filters.attributes.{position}"
        match column:
            case Texts():
                column.coded.write(out, file)
            case Booleans() | TextLists():
                column.write(out, file)
            case _:
                assert isinstance(column, Numbers)
                out.array(file, column.values)


def attributes_at(columns: Columns, items: Int32) -> dict[str, list[ItemValue | None]]:
    """What ``columns`` hold of ``items`` (N,) beside the catalogue's own fields: N values a name, None = missing."""
    return {
        name.removeprefix(ATTRIBUTES): _values_at(column, items)
        for name, column in columns.by_name.items()
        if name.startswith(ATTRIBUTES)
    }


def _values_at(column: Column, items: Int32) -> list[ItemValue | None]:
    match column:
        case Texts():
            codes = column.coded.codes[items]
            texts = iter(column.coded.dictionary.values.many(codes[codes >= 0]))
            return [next(texts) if code >= 0 else None for code in codes.tolist()]
        case TextLists():
            return [texts or None for texts in column.at(items)]
        case Booleans():
            known = np.ones(len(items), np.bool_) if column.known is None else column.known[items]
        case _:
            assert isinstance(column, Numbers)
            known = ~np.isnan(column.values[items])
    values = column.values[items].tolist()
    return [value if is_known else None for value, is_known in zip(values, known.tolist(), strict=True)]


def read_attributes(src: SnapshotReader) -> dict[str, Column]:
    """What ``write_attributes`` stored, memory-mapped; none in a snapshot written before there were filters."""
    names = src.json(_ATTRIBUTES_FILE) if src.has(_ATTRIBUTES_FILE) else []
    return {name: _attribute(src, f"filters.attributes.{position}") for position, name in enumerate(names)}


def _attribute(src: SnapshotReader, file: str) -> Column:
    if src.has(file):
        return Numbers(src.array(file))
    if src.has(f"{file}.flags"):
        return Booleans.read(src, file)
    return TextLists.read(src, file) if src.has(f"{file}.offsets") else Texts(Coded.read(src, file))
