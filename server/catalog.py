"""CatalogService: items that come, change, sell out or go, kept before it is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from google.rpc.status_pb2 import Status

from protos.recommender.v1.catalog_service_pb2 import (
    DeleteItemsRequest,
    DeleteItemsResponse,
    GetItemRequest,
    SetInventoryRequest,
    SetInventoryResponse,
    UpsertItemsRequest,
    UpsertItemsResponse,
)
from protos.recommender.v1.catalog_service_pb2_grpc import CatalogServiceServicer
from protos.recommender.v1.item_pb2 import Item
from recsys.arrays import frozen
from recsys.errors import InvalidRequest, NotFound, RecsysError, SnapshotError, StateUnavailable, Unavailable, Violation
from recsys.recent import SECOND_US
from recsys.stores.records import Inventory, ItemChange, LiveItem
from server.calls import Call, rpc
from server.clock import Clock, wall_time, wall_time_us
from server.conversion import items_of
from server.item_changes import ATTRIBUTES, ITEM, item_change
from server.live import Live, Serving
from server.live_items import LiveItems
from server.state import LiveState
from server.statuses import status_of
from server.validation import broken_rules, check

_ITEM_ID = ITEM["item_id"]


class Catalog(CatalogServiceServicer):
    """Changes items in ``state``, over whatever snapshot ``live`` holds; ``clock`` says when a new one came."""

    def __init__(self, state: LiveState, live: Live, items: LiveItems, clock: Clock) -> None:
        self._state = state
        self._live = live
        self._items = items
        self._clock = clock

    @rpc
    def UpsertItems(self, request: UpsertItemsRequest, call: Call) -> UpsertItemsResponse:
        """A status for each item, in order; those with OK are on disk and in the next answer."""
        call.note(n_items=len(request.items))
        check(request)
        store, serving = self._state.store().items, self._serving()
        self._items.reading()
        failures: dict[int, RecsysError] = {}
        changes: dict[int, ItemChange] = {}
        paths = list(request.update_mask.paths)
        for position, item in enumerate(request.items):
            try:
                changes[position] = item_change(f"items[{position}]", item, paths, self._attributes_of(serving))
            except InvalidRequest as error:
                failures[position] = error
        existing = self._existing([change.item_id for change in changes.values()], serving)
        wished = [self._dated(change, serving) for change in changes.values()]
        done = (
            store.upsert(wished, existing=existing, create=request.allow_missing, now_us=wall_time_us())
            if wished
            else []
        )
        for position, is_done in zip(changes, done, strict=True):
            if not is_done:
                failures[position] = NotFound("item", request.items[position].item_id)
        call.note(n_failed=len(failures))
        return UpsertItemsResponse(statuses=_statuses(len(request.items), failures, call))

    @rpc
    def GetItem(self, request: GetItemRequest, call: Call) -> Item:
        """The item as answers have it now, its description and stock besides."""
        check(request)
        self._state.store()
        reading = self._items.reading(call.left_s)
        if not reading.is_current:
            raise StateUnavailable
        serving = reading.get()
        call.note(snapshot=serving.snapshot.version)
        catalogue = serving.snapshot.catalogue
        number = catalogue.items.number(request.item_id)
        if number is None or number in catalogue.gone:
            raise NotFound("item", request.item_id)
        (item,) = items_of(serving.snapshot, frozen([number], np.int32), [request.item_id])
        changed = self._items.item(request.item_id)
        if changed is not None:
            item.description = str(changed.fields.get("description") or "")
            stock = changed.fields.get("stock")
            if isinstance(stock, int | float):
                item.stock = int(stock)
        return item

    @rpc
    def SetInventory(self, request: SetInventoryRequest, call: Call) -> SetInventoryResponse:
        """Whether it counts: what is known of a later time stays."""
        violations = broken_rules(request)
        if not (request.HasField("stock") or request.HasField("price")):
            violations.append(Violation("stock", "stock must be given where price is not"))
        if violations:
            raise InvalidRequest(violations)
        store = self._state.store().items
        set_us = request.set_time.seconds * SECOND_US + request.set_time.nanos // 1000
        now_us = wall_time_us()
        inventory = Inventory(
            request.item_id,
            set_us if request.HasField("set_time") else now_us,
            request.stock if request.HasField("stock") else None,
            request.price if request.HasField("price") else None,
        )
        exists = request.item_id in self._existing([request.item_id], self._serving())
        applied = store.set_inventory(inventory, exists=exists, now_us=now_us)
        held = not applied and not _is_known(store.get(request.item_id), in_snapshot=exists)
        call.note(applied=applied, held=held)
        return SetInventoryResponse(applied=applied, held=held)

    @rpc
    def DeleteItems(self, request: DeleteItemsRequest, call: Call) -> DeleteItemsResponse:
        """A status for each id, in order; those with OK are in no answer any more."""
        call.note(n_items=len(request.item_ids))
        check(request)
        store, ids = self._state.store().items, list(request.item_ids)
        broken = {place: list(_ITEM_ID(f"item_ids[{place}]", item_id)) for place, item_id in enumerate(ids)}
        failures: dict[int, RecsysError] = {place: InvalidRequest(rules) for place, rules in broken.items() if rules}
        fit = {place: item_id for place, item_id in enumerate(ids) if place not in failures}
        wished = list(fit.values())
        done = store.delete(wished, existing=self._existing(wished, self._serving())) if wished else []
        for (place, item_id), is_done in zip(fit.items(), done, strict=True):
            if not is_done:
                failures[place] = NotFound("item", item_id)
        call.note(n_failed=len(failures))
        return DeleteItemsResponse(statuses=_statuses(len(ids), failures, call))

    def _serving(self) -> Serving | None:
        """Changes are kept while nothing is served, too. The snapshot as it was built."""
        try:
            return self._live.get()
        except (SnapshotError, Unavailable):
            return None

    def _existing(self, item_ids: Sequence[str], serving: Serving | None) -> set[str]:
        """Those of ``item_ids`` that the snapshot has, and not as taken out."""
        if serving is None:
            return set()
        catalogue = serving.snapshot.catalogue
        numbers = catalogue.items.numbers(item_ids)
        there = (numbers >= 0) & ~np.isin(numbers, catalogue.gone)
        return {item_id for item_id, is_there in zip(item_ids, there.tolist(), strict=True) if is_there}

    def _attributes_of(self, serving: Serving | None) -> Callable[[str], list[str]]:
        names = () if serving is None else serving.snapshot.filters.attribute_names

        def of_item(item_id: str) -> list[str]:
            changed = self._items.item(item_id)
            fields = changed.fields if changed is not None else {}
            own = [name.removeprefix(f"{ATTRIBUTES}.") for name in fields if name.startswith(f"{ATTRIBUTES}.")]
            return list(dict.fromkeys([*names, *own]))

        return of_item

    def _dated(self, change: ItemChange, serving: Serving | None) -> ItemChange:
        """A new item that does not say since when it is listed is of now; one that comes again is as old as it was."""
        in_snapshot = serving is not None and serving.snapshot.catalogue.items.number(change.item_id) is not None
        known = in_snapshot or _is_known(self._items.item(change.item_id), in_snapshot=False)
        if known or change.fields.get("created_at") is not None:
            return change
        now = wall_time() if serving is None else self._clock(serving)
        return replace(change, fields={**change.fields, "created_at": now})


def _is_known(item: LiveItem | None, *, in_snapshot: bool) -> bool:
    """Whether answers may hold it."""
    if item is None:
        return in_snapshot
    return not item.is_deleted and (item.is_created or in_snapshot)


def _statuses(n: int, failures: Mapping[int, RecsysError], call: Call) -> list[Status]:
    return [
        status_of(failures[position], call.request_id) if position in failures else Status() for position in range(n)
    ]
