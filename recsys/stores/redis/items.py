"""Changes of the catalogue in Redis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from recsys.stores.changes import HELD_US, KeptItem, deleted, is_known, upserted, with_inventory
from recsys.stores.records import Inventory, ItemChange, LiveItem
from recsys.stores.redis import scripts
from recsys.stores.redis.connection import PREFIX, Server
from recsys.stores.redis.swapping import Swap, swapped


class RedisItemStore:
    """``ItemStore``."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def version(self) -> int:
        return int(self._server.command("GET", f"{PREFIX}version") or 0)

    def changed_since(self, version: int) -> tuple[list[LiveItem], int]:
        now, *found = self._server.read(scripts.CHANGED, (version,))
        changed = [
            _kept(record).live(item_id.decode(), int(of))
            for item_id, of, record in zip(found[::3], found[1::3], found[2::3], strict=True)
        ]
        return sorted(changed, key=lambda item: item.item_id), int(now)

    def get(self, item_id: str) -> LiveItem | None:
        version, record = self._server.read(scripts.ITEM, (item_id,))
        return _kept(record).live(item_id, int(version)) if version else None

    def upsert(
        self, changes: Sequence[ItemChange], *, existing: Collection[str], create: bool, now_us: int
    ) -> list[bool]:
        def change(kept: KeptItem | None, index: int) -> KeptItem | None:
            wished = changes[index]
            in_snapshot = wished.item_id in existing
            return upserted(kept, wished, in_snapshot=in_snapshot, create=create, now_us=now_us)

        return self._changed([wished.item_id for wished in changes], change)

    def set_inventory(self, inventory: Inventory, *, exists: bool, now_us: int) -> bool:
        def change(record: bytes, index: int) -> Swap | None:
            changed = with_inventory(_kept_or_none(record), inventory, in_snapshot=exists, now_us=now_us)
            return None if changed is None else _swap(changed, is_new_version=changed.held_us is None)

        (swap,) = swapped(self._server, "items", [inventory.item_id], change, forget_held_before=now_us - HELD_US)
        return swap is not None and swap.held_us is None

    def delete(self, item_ids: Sequence[str], *, existing: Collection[str]) -> list[bool]:
        def change(kept: KeptItem | None, index: int) -> KeptItem | None:
            return deleted(kept) if is_known(kept, in_snapshot=item_ids[index] in existing) else None

        return self._changed(item_ids, change)

    def _changed(
        self, item_ids: Sequence[str], change: Callable[[KeptItem | None, int], KeptItem | None]
    ) -> list[bool]:
        def swap(record: bytes, index: int) -> Swap | None:
            changed = change(_kept_or_none(record), index)
            return None if changed is None else _swap(changed, is_new_version=True)

        if not item_ids:
            return []
        return [made is not None for made in swapped(self._server, "items", item_ids, swap)]


def _swap(item: KeptItem, *, is_new_version: bool) -> Swap:
    return Swap(item.json().encode(), item.held_us, is_new_version)


def _kept(record: bytes) -> KeptItem:
    return KeptItem.of_json(record.decode())


def _kept_or_none(record: bytes) -> KeptItem | None:
    return _kept(record) if record else None
