"""The catalogue as columns to filter on."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.catalogue import Catalogue
from recsys.filters.columns import Booleans, Column, Columns, Numbers, Paths, Texts, Times

_NOTHING: Mapping[str, Column] = {}


def columns_of(catalogue: Catalogue, attributes: Mapping[str, Column] = _NOTHING) -> Columns:
    """title, category, brand, price, in_stock, created_at, and each attribute as ``attributes.<name>``.

    Words without a field are looked for in title, brand and category. Make it once a snapshot: the distinct texts of a
    column are worked out when a filter first needs them, seconds for a million titles, and kept. One evaluation of a
    word without a field warms all three.
    """
    fields: dict[str, Column] = {
        "title": Texts(catalogue.titles),
        "category": Paths(catalogue.categories),
        "brand": Texts(catalogue.brands),
        "price": Numbers(catalogue.prices),
        "in_stock": Booleans(catalogue.in_stock),
        "created_at": Times(catalogue.created_at),
    }
    fields |= {f"attributes.{name}": column for name, column in attributes.items()}
    return Columns(len(catalogue), fields, searched=("title", "brand", "category"))
