"""Puts item statistics of now in the place of the snapshot's, whenever they have been counted anew."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from recsys.errors import RecsysError
from recsys.freshened import freshened
from recsys.snapshot.files import SnapshotReader
from recsys.statistics import ItemStatistics
from server.counted import CountedFolder
from server.live import Live, Serving
from server.live_items import LiveItems

LOG = logging.getLogger(__name__)


class Freshening:
    """Looks below ``scratch`` for what was counted for the version that ``live`` serves out of ``snapshots``. Called by
    the thread that swaps, and by no other. What cannot be read is logged once, and what was read before stays.
    """

    def __init__(self, live: Live, items: LiveItems, *, scratch: Path, snapshots: Path) -> None:
        self._live = live
        self._items = items
        self._scratch = scratch
        self._snapshots = snapshots
        # Of the counting that was looked into last, and what came of it where anything did.
        self._seen = ("", 0)
        self._laid: ItemStatistics | None = None

    def look(self) -> None:
        """One look, one listing of a folder while there is nothing new; then read, lay the catalogue over it, swap."""
        version = self._live.version()
        if version is None:
            return
        serving = self._live.get()
        folder = CountedFolder(self._scratch, version)
        number = folder.newest()
        # A snapshot that was loaded since has its own statistics again.
        is_laid = self._laid is None or serving.snapshot.model.context.statistics is self._laid
        if not number or ((version, number) == self._seen and is_laid):
            return
        started = perf_counter()
        self._seen, laid, self._laid = (version, number), self._laid, None
        try:
            n_events = self._lay(serving, folder, number, laid)
        # Whatever is wrong with a counting, answers go on.
        except Exception as error:
            self._laid = laid
            fields: dict[str, object] = {"snapshot": version, "reason": str(error), "error": type(error).__name__}
            expected = isinstance(error, RecsysError)
            LOG.error(
                "item statistics of now cannot be read", extra={"fields": fields}, exc_info=None if expected else error
            )
            return
        if n_events is not None:
            ms = round((perf_counter() - started) * 1e3, 1)
            fields = {"snapshot": version, "n_events": n_events, "ms": ms}
            LOG.info("item statistics of now in use", extra={"fields": fields})

    def _lay(self, serving: Serving, folder: CountedFolder, number: int, laid: ItemStatistics | None) -> int | None:
        """How many events count in what is served now that they did not in the snapshot; None where nothing changed."""
        counted = folder.read(number)
        statistics = counted.statistics
        if statistics is None:
            if laid is None or serving.snapshot.model.context.statistics is not laid:
                return None
            statistics = ItemStatistics.read(SnapshotReader(self._snapshots / serving.manifest.version))
        fresh = replace(serving, snapshot=freshened(serving.snapshot, statistics))
        # Before it is asked for: the first answer would wait for it.
        self._items.over(fresh, is_current=True)
        self._live.swap(fresh)
        if counted.statistics is None:
            return 0
        self._laid = statistics
        return counted.n_events
