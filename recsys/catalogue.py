"""What is known of every item: names to show, columns to filter on, codes to count by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.ids import IdMap
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.text_column import TextColumn


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Columns of n_items rows in item-number order.

    prices float32, NaN unknown · in_stock bool · created_at int64 epoch seconds, 0 unknown · codes: code family ->
    int32 (n_items,), -1 missing. A code family is any grouping of items: a category level, the brand, an attribute.
    gone int32: numbers of items that were taken out since; nothing shows them, whatever it asks for.
    """

    items: IdMap
    titles: TextColumn
    categories: TextColumn
    brands: TextColumn
    prices: Float32
    in_stock: Bool
    created_at: Int64
    codes: Mapping[str, Int32]
    gone: Int32 = field(default_factory=lambda: frozen([], np.int32))

    def __len__(self) -> int:
        return len(self.items)

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``items.*`` arrays; the order of the code families is part of the contract."""
        self.items.write(out, "items.ids")
        self.titles.write(out, "items.titles")
        self.categories.write(out, "items.categories")
        self.brands.write(out, "items.brands")
        out.array("items.prices", self.prices)
        out.array("items.in_stock", self.in_stock)
        out.array("items.created_at", self.created_at)
        out.json("items.codes.json", list(self.codes))
        for position, codes in enumerate(self.codes.values()):
            out.array(f"items.codes.{position}", codes)
        if len(self.gone):
            out.array("items.gone", self.gone)

    @classmethod
    def read(cls, src: SnapshotReader) -> Catalogue:
        """The catalogue that ``write`` stored, memory-mapped."""
        return cls(
            items=IdMap.read(src, "items.ids"),
            titles=TextColumn.read(src, "items.titles"),
            categories=TextColumn.read(src, "items.categories"),
            brands=TextColumn.read(src, "items.brands"),
            prices=src.array("items.prices"),
            in_stock=src.array("items.in_stock"),
            created_at=src.array("items.created_at"),
            codes={name: src.array(f"items.codes.{i}") for i, name in enumerate(src.json("items.codes.json"))},
            gone=src.array("items.gone") if src.has("items.gone") else frozen([], np.int32),
        )
