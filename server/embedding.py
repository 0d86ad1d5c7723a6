"""Texts of new items become vectors, in the background: once for all servers that share a state store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

from recsys.arrays import Float32
from recsys.errors import RecsysError, StateUnavailable
from recsys.model import Snapshot
from recsys.stores.records import text_digest
from server.live import Live
from server.live_items import LiveItems
from server.state import LiveState
from server.text_encoder import TextEncoder

LOG = logging.getLogger(__name__)
# Well below the two seconds within which a new item is to be found by its meaning.
INTERVAL_S = 0.25
# The encoder makes some 200 a second, and a search may wait behind them.
MOST_TEXTS = 32
# Looked up at a time in the store.
MOST_KEPT = 1000
# What the encoder takes; it reads no further than some hundred words.
LONGEST_TEXT = 2000


class Embedding:
    """A thread that takes vectors which other servers have made from the store, and has ``encoder`` make the rest.

    encoder: none of those that searches wait for, since one that fails is left alone for a while.
    """

    def __init__(self, live: Live, items: LiveItems, state: LiveState, encoder: TextEncoder) -> None:
        self._live = live
        self._items = items
        self._state = state
        self._encoder = encoder
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embedding", daemon=True)

    def start(self) -> None:
        """Begin, where there is a store."""
        if self._state.is_configured:
            self._thread.start()

    def stop(self, patience_s: float) -> bool:
        """Whether the thread has ended, now or within ``patience_s`` seconds."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(patience_s)
        return not self._thread.is_alive()

    def look(self) -> int:
        """One look at what waits for a vector; how many have one now."""
        # Before there is a snapshot, too: all that was ever changed is then known when the first answer is due.
        self._items.reading()
        self._items.forget()
        try:
            snapshot = self._live.get().snapshot
        except RecsysError:
            return 0
        waiting = self._items.waiting(snapshot)
        if not waiting:
            return 0
        found = self._kept(snapshot.encoder_model, waiting) or self._made(snapshot, waiting)
        if found:
            self._items.embedded(snapshot.encoder_model, found)
        return len(found)

    def _kept(self, model: str, waiting: Mapping[str, str]) -> Mapping[str, Float32]:
        """Vectors that the store has, by digest. A snapshot that does not name its model shares none."""
        if not model:
            return {}
        try:
            return self._state.store().vectors.get(model, list(islice(waiting, MOST_KEPT)))
        except StateUnavailable:
            return {}

    def _made(self, snapshot: Snapshot, waiting: Mapping[str, str]) -> Mapping[str, Float32]:
        texts = [text[:LONGEST_TEXT] for text in islice(waiting.values(), MOST_TEXTS)]
        vectors = self._encoder.meanings(texts, snapshot, None).vectors
        found = {
            text_digest(text): vectors[text[:LONGEST_TEXT]]
            for text in waiting.values()
            if text[:LONGEST_TEXT] in vectors
        }
        model = snapshot.encoder_model
        if found and model:
            # Not within the time that answers wait for the store: it may take as long as it needs here.
            with suppress(StateUnavailable):
                self._state.store().vectors.put(model, found)
        return found

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                # One batch after the other while there are any.
                while self.look() and not self._stopped.is_set():
                    pass
            except Exception:
                LOG.exception("embedding new texts failed")
            self._stopped.wait(INTERVAL_S)
