"""The catalogue of now: what the state store keeps of items, laid over whatever snapshot answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter

from recsys.arrays import Float32
from recsys.model import Snapshot
from recsys.overlay.filters import ChangedFilters
from recsys.overlay.overlay import Basis, Overlay
from recsys.overlay.rows import is_restocked
from recsys.stores.records import LiveItem
from server.live import Live, Serving
from server.state import LiveState

LOG = logging.getLogger(__name__)
# Nothing but what changed is read, yet the first time that is all there ever was.
LONGEST_READ_S = 5.0
# Vectors of texts that no item has any more, 1.5 MB of 384 numbers each, before they are looked for.
MOST_FORMER = 1000


@dataclass(frozen=True, slots=True)
class _Laid:
    """overlay: of ``items`` over the snapshot of ``basis``; stamp: the version of the catalogue, and how many vectors
    had come.
    """

    basis: Basis
    overlay: Overlay
    items: Mapping[str, LiveItem]
    stamp: tuple[int, int]

    def later(self, items: Mapping[str, LiveItem], vectors: Mapping[str, Float32], stamp: tuple[int, int]) -> _Laid:
        """The same with ``items`` as they are now."""
        changed = [item for item_id, item in items.items() if self.items.get(item_id) is not item]
        is_stock = all(is_restocked(self.items.get(item.item_id), item) for item in changed)
        known, ids = self.overlay.changes, self.basis.snapshot.catalogue.items
        # What the snapshot has and the changes have not was no news until now.
        is_laid = known is not None and all(
            item.item_id in known.places or ids.number(item.item_id) is None for item in changed
        )
        if is_laid and is_stock and stamp[1] == self.stamp[1] and len(items) == len(self.items):
            overlay = self.basis.restocked(self.overlay, changed)
        else:
            overlay = self.basis.over(list(items.values()), vectors, self.overlay.snapshot)
        return _Laid(self.basis, overlay, items, stamp)


class LiveItems:
    """Servings of ``live`` with the items of ``state`` laid over them, worked out once a change.

    Whoever asks first after a change works it out and the others wait: what was taken out must be in no later answer.
    """

    def __init__(self, live: Live, state: LiveState) -> None:
        self._live = live
        self._state = state
        self._lock = threading.Lock()
        self._items: dict[str, LiveItem] = {}
        self._version = 0
        self._vectors: dict[str, dict[str, Float32]] = {}
        self._n_vectors = 0
        self._laid: list[_Laid] = []

    def reading(self, left_s: float | None = None) -> Reading:
        """The catalogue as of now, for one call that may take ``left_s`` seconds."""
        return Reading(self, self._live, self._refreshed(left_s))

    def item(self, item_id: str) -> LiveItem | None:
        """What was changed of an item, as of the last reading."""
        return self._items.get(item_id)

    def over(self, serving: Serving, *, is_current: bool) -> Serving:
        """``serving`` with the catalogue of the last reading."""
        snapshot = self._overlay(serving.snapshot).snapshot
        if snapshot is serving.snapshot and is_current:
            return serving
        return replace(serving, snapshot=snapshot, is_current=is_current)

    def waiting(self, snapshot: Snapshot) -> Mapping[str, str]:
        """Texts by digest, of the catalogue of the last reading over ``snapshot``, that have no vector yet."""
        return self._overlay(snapshot).waiting

    def embedded(self, model: str, vectors: Mapping[str, Float32]) -> None:
        """``vectors`` by digest of the text, by encoder ``model``: part of answers from now on."""
        with self._lock:
            self._vectors.setdefault(model, {}).update(vectors)
            self._n_vectors += len(vectors)

    def forget(self) -> None:
        """Let go of what belongs to snapshots that nothing is answered from, and of vectors of former texts."""
        with self._lock:
            self._laid = [one for one in self._laid if self._live.holds(one.basis.snapshot)]
            known = [one.overlay.changes for one in self._laid if one.overlay.changes is not None]
            if sum(map(len, self._vectors.values())) > MOST_FORMER + 2 * sum(map(len, known)):
                wanted = {row.digest for changes in known for row in changes.rows}
                for model, vectors in self._vectors.items():
                    self._vectors[model] = {one: vector for one, vector in vectors.items() if one in wanted}

    def _refreshed(self, left_s: float | None) -> bool:
        """Read what has changed; whether what is known is of now."""
        if not self._state.is_configured:
            return True
        version = self._state.asked(lambda state: state.items.version(), left_s)
        if version is None:
            return False
        if version == self._version:
            return True
        with self._lock:
            if version == self._version:
                return True
            # A store that was begun anew, or set back, is read from its beginning.
            since = self._version if version > self._version else 0
            found = self._state.asked(lambda state: state.items.changed_since(since), left_s, longest_s=LONGEST_READ_S)
            if found is None:
                return False
            changed, self._version = found
            self._items = (self._items if since else {}) | {item.item_id: item for item in changed}
            return True

    def _overlay(self, snapshot: Snapshot) -> Overlay:
        laid = self._laid_over(snapshot)
        if laid is not None and laid.stamp == (self._version, self._n_vectors):
            return laid.overlay
        with self._lock:
            laid = self._laid_over(snapshot)
            stamp = self._version, self._n_vectors
            if laid is not None and laid.stamp == stamp:
                return laid.overlay
            if laid is None and not self._items:
                return Overlay(snapshot)
            started = perf_counter()
            items, vectors = self._items, self._vectors.get(snapshot.encoder_model, {})
            if laid is not None:
                now = laid.later(items, vectors, stamp)
            else:
                basis = Basis(snapshot, self._like(snapshot))
                now = _Laid(basis, basis.over(list(items.values()), vectors), items, stamp)
            self._laid = [*(one for one in self._laid if one is not laid), now]
            fields = {
                "snapshot": snapshot.version,
                "catalogue": stamp[0],
                "n_items": len(self._items),
                "n_waiting": len(now.overlay.waiting),
                "ms": round((perf_counter() - started) * 1e3, 1),
            }
            # Stock moves all the time.
            is_stock = laid is not None and now.overlay.waiting is laid.overlay.waiting
            filters = now.overlay.snapshot.filters
            if not is_stock and isinstance(filters, ChangedFilters) and (n_left_out := filters.n_left_out):
                fields["n_attributes_left_out"] = n_left_out
            LOG.log(logging.DEBUG if is_stock else logging.INFO, "catalogue changed", extra={"fields": fields})
            return now.overlay

    def _like(self, snapshot: Snapshot) -> Basis | None:
        """One of the same snapshot with other statistics or rankers."""
        bases = (one.basis for one in self._laid)
        return next((basis for basis in bases if basis.snapshot.catalogue is snapshot.catalogue), None)

    def _laid_over(self, snapshot: Snapshot) -> _Laid | None:
        return next((one for one in self._laid if one.basis.snapshot is snapshot), None)


@dataclass(frozen=True, slots=True)
class Reading:
    """``Servings`` for one call. is_current: the state store told what there is now, or there is none."""

    items: LiveItems
    live: Live
    is_current: bool

    def get(self) -> Serving:
        """As ``Live``."""
        return self.items.over(self.live.get(), is_current=self.is_current)

    def before(self, version: str) -> Serving | None:
        """As ``Live``."""
        serving = self.live.before(version)
        return None if serving is None else self.items.over(serving, is_current=self.is_current)
