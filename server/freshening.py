"""Puts item statistics of now in the place of the snapshot's, whenever they have been counted anew."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from recsys.errors import RecsysError
from recsys.freshened import freshened
from recsys.statistics import ItemStatistics
from server.counted import CountedFolder
from server.live import Live
from server.live_items import LiveItems

LOG = logging.getLogger(__name__)


class Freshening:
    """Looks below ``scratch`` for what was counted for the version that ``live`` serves. Called by the thread that
    swaps, and by no other. What cannot be read is logged once, and what was read before stays.
    """

    def __init__(self, live: Live, items: LiveItems, scratch: Path) -> None:
        self._live = live
        self._items = items
        self._scratch = scratch
        self._number = 0
        self._statistics: ItemStatistics | None = None

    def look(self) -> None:
        """One look, one listing of a folder while there is nothing new; then read, lay the catalogue over it, swap."""
        version = self._live.version()
        if version is None:
            return
        serving = self._live.get()
        folder = CountedFolder(self._scratch, version)
        number = folder.newest()
        # A snapshot that was loaded since has its own statistics again.
        is_laid = serving.snapshot.model.context.statistics is self._statistics
        if not number or (number == self._number and (is_laid or self._statistics is None)):
            return
        self._number = number
        started = perf_counter()
        try:
            counted = folder.read(number)
            fresh = replace(serving, snapshot=freshened(serving.snapshot, counted.statistics))
        except (RecsysError, ValueError, KeyError) as error:
            self._statistics = None
            fields: dict[str, object] = {"snapshot": version, "reason": str(error), "error": type(error).__name__}
            LOG.error("item statistics of now cannot be read", extra={"fields": fields})
            return
        self._statistics = counted.statistics
        # Before it is asked for: the first answer would wait for it.
        self._items.over(fresh, is_current=True)
        self._live.swap(fresh)
        ms = round((perf_counter() - started) * 1e3, 1)
        LOG.info(
            "item statistics of now in use",
            extra={"fields": {"snapshot": version, "n_events": counted.n_events, "ms": ms}},
        )
