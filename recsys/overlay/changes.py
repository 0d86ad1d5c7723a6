"""Changed and new items as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.model import Snapshot
from recsys.overlay.rows import Row, price_of, rows_of
from recsys.stores.records import LiveItem


@dataclass(frozen=True, slots=True)
class Changes:
    """c items, known ones of which there is news in the snapshot's order, then new ones in that of their creation.

    numbers (c,) int32 ascending, from n_items on for new ones · rows (c,): what each is now · prices, in_stock,
    created_at (c,) as in ``Catalogue`` · gone int32: numbers that were deleted.
    """

    n_items: int
    numbers: Int32
    rows: Sequence[Row]
    prices: Float32
    in_stock: Bool
    created_at: Int64
    gone: Int32
    places: Mapping[str, int] = field(repr=False)

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
    def of(cls, snapshot: Snapshot, items: Sequence[LiveItem], kept: dict[str, Row]) -> Changes:
        """``items`` over ``snapshot``. Those that it lacks and that were never created are nothing yet, and those of
        which it says the same, since a rebuild has taken the changes in, nothing any more.

        kept: rows by id, of what was worked out for the snapshot before; used where the item is the very same, and
        filled.
        """
        fresh = [item for item in items if item.item_id not in kept or kept[item.item_id].item is not item]
        kept |= {row.item.item_id: row for row in rows_of(snapshot, fresh)}
        all_rows = [kept[item.item_id] for item in items]
        known = sorted((row for row in all_rows if row.number >= 0 and row.is_news), key=lambda row: row.number)
        new = sorted(
            (row for row in all_rows if row.number < 0 and row.item.created_us),
            key=lambda row: (row.item.created_us, row.item.item_id),
        )
        rows = [*known, *new]
        n_items = len(snapshot.catalogue)
        numbers = frozen([*(row.number for row in known), *range(n_items, n_items + len(new))], np.int32)
        return cls(
            n_items=n_items,
            numbers=numbers,
            rows=rows,
            prices=frozen([row.price for row in rows], np.float32),
            in_stock=frozen([row.in_stock for row in rows], np.bool_),
            created_at=frozen([row.created_at for row in rows], np.int64),
            gone=numbers[np.array([row.item.is_deleted for row in rows], np.bool_)],
            places={row.item.item_id: place for place, row in enumerate(rows)},
        )

    def restocked(self, snapshot: Snapshot, items: Sequence[LiveItem]) -> Changes:
        """The same with the prices and the stock of ``items``; those that are none of these are left aside."""
        prices, in_stock = self.prices.copy(), self.in_stock.copy()
        for item in items:
            place = self.places.get(item.item_id)
            if place is not None:
                number = self.rows[place].number
                listed = float(snapshot.catalogue.prices[number]) if number >= 0 else None
                prices[place] = price_of(item, listed)
                in_stock[place] = item.is_sold(bool(snapshot.catalogue.in_stock[number]) if number >= 0 else True)
        return replace(self, prices=frozen(prices, np.float32), in_stock=frozen(in_stock, np.bool_))
