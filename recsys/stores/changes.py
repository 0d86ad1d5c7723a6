"""What a change makes of an item or a profile, the same in every engine. Pure; times are epoch microseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from recsys.stores.records import Inventory, ItemChange, ItemValue, LiveItem, ProfileChange, Value

# How long inventory is held for an item that nobody knows.
HELD_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class KeptItem:
    """What a store keeps of an item.

    created_us: when it was created first, 0 never · stock_us, price_us: as of when, None = never given · held_us: since
    when ``fields`` are inventory held for an item that nobody knows, None = they are the item's.
    """

    fields: Mapping[str, ItemValue | None] = field(default_factory=dict)
    is_deleted: bool = False
    is_created: bool = False
    created_us: int = 0
    stock_us: int | None = None
    price_us: int | None = None
    held_us: int | None = None

    @classmethod
    def of_json(cls, text: str) -> KeptItem:
        """The inverse of ``json``."""
        parts = json.loads(text)
        fields = parts.pop("fields")
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(fields=fields | lists, **parts)

    def json(self) -> str:
        """As text, the same for equal items."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def live(self, item_id: str, version: int) -> LiveItem:
        """As it is handed out."""
        fields = {} if self.is_deleted or self.held_us is not None else self.fields
        return LiveItem(
            item_id=item_id,
            fields=fields,
            version=version,
            is_deleted=self.is_deleted,
            is_created=self.is_created,
            created_us=self.created_us,
        )


def is_known(kept: KeptItem | None, *, in_snapshot: bool) -> bool:
    """Whether an item is one: the snapshot's or created, and not deleted."""
    if kept is None:
        return in_snapshot
    return not kept.is_deleted and (kept.is_created or in_snapshot)


def upserted(
    kept: KeptItem | None, change: ItemChange, *, in_snapshot: bool, create: bool, now_us: int
) -> KeptItem | None:
    """The item with fields set; None where it is missing and may not be created."""
    known = is_known(kept, in_snapshot=in_snapshot)
    if not known and not create:
        return None
    begun = _begun(kept or KeptItem(), known=known, now_us=now_us)
    return replace(
        begun,
        fields={**begun.fields, **change.fields},
        is_created=begun.is_created or not known,
        created_us=begun.created_us if known or begun.created_us else now_us,
        stock_us=now_us if "stock" in change.fields else begun.stock_us,
        price_us=now_us if "price" in change.fields else begun.price_us,
    )


def with_inventory(kept: KeptItem | None, inventory: Inventory, *, in_snapshot: bool, now_us: int) -> KeptItem | None:
    """The item with what of ``inventory`` is not older than what is known; None where all of it is.

    What nobody knows comes back with ``held_us``: its inventory is held.
    """
    known = is_known(kept, in_snapshot=in_snapshot)
    begun = kept or KeptItem()
    # One that a snapshot had and the next has not is no reason to forget what was changed of it.
    is_held = not known and (kept is None or kept.is_deleted or kept.held_us is not None)
    if known:
        begun = _begun(begun, known=True, now_us=now_us)
    elif is_held and (begun.held_us is None or now_us - begun.held_us > HELD_US):
        begun = replace(begun, fields={})
    has_stock = inventory.stock is not None and inventory.set_us >= (begun.stock_us or 0)
    has_price = inventory.price is not None and inventory.set_us >= (begun.price_us or 0)
    if not has_stock and not has_price:
        return None
    return replace(
        begun,
        fields={
            **begun.fields,
            **({"stock": inventory.stock} if has_stock else {}),
            **({"price": inventory.price} if has_price else {}),
        },
        stock_us=inventory.set_us if has_stock else begun.stock_us,
        price_us=inventory.set_us if has_price else begun.price_us,
        held_us=now_us if is_held else None,
    )


def deleted(kept: KeptItem | None) -> KeptItem:
    """The item taken out: its fields are forgotten, the times of its inventory are not: what is older still loses."""
    kept = kept or KeptItem()
    return KeptItem(is_deleted=True, created_us=kept.created_us, stock_us=kept.stock_us, price_us=kept.price_us)


def _begun(kept: KeptItem, *, known: bool, now_us: int) -> KeptItem:
    """What a change builds on: of an item that was not one until now, inventory held for at most a day."""
    if known and kept.held_us is None:
        return kept
    is_held = kept.held_us is not None and now_us - kept.held_us <= HELD_US
    return replace(kept, fields=kept.fields if is_held else {}, is_deleted=False, held_us=None)


def profiled(attributes: Mapping[str, Value | None], change: ProfileChange) -> dict[str, Value | None]:
    """A profile with a change made: None where it says that an attribute is cleared."""
    cleared = dict.fromkeys(attributes) if change.replace else attributes
    return {**cleared, **change.attributes}
