"""Making another snapshot current by a call: tried and loaded here before CURRENT moves, served before the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack

from recsys.errors import InputError, SnapshotError
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.store import SnapshotStore
from server.live import Serving
from server.statuses import NotWritable, Unfit
from server.watcher import Watcher

LOG = logging.getLogger(__name__)


class Activation:
    """Publishes versions of ``store`` and lets ``watcher``'s process serve them at once."""

    def __init__(self, store: SnapshotStore, watcher: Watcher) -> None:
        self._store = store
        self._watcher = watcher

    def activate(self, version: str, *, if_current: str = "", go_on: Callable[[], None] = lambda: None) -> str:
        """Make ``version`` current and serve it; the version that was current, "" for none.

        if_current: as in ``SnapshotStore.publish`` · go_on: raises when nobody wants it any more; asked last before
        CURRENT moves. NotFound, StoreBusy, CurrentMoved; Unfit for one that cannot be served, NotWritable. On any error
        CURRENT and what is being served stay.
        """
        loaded: list[Serving] = []
        with ExitStack() as turn:

            def trial(files: SnapshotReader) -> None:
                # Until it is served: CURRENT will name it before, and the watcher would load it a second time.
                turn.enter_context(self._watcher.turn)
                loaded.append(self._watcher.loaded(version, files))
                go_on()

            try:
                former = self._store.publish(version, wait=False, if_current=if_current, trial=trial)
            except SnapshotError as error:
                _tell(version, error)
                raise Unfit(version, error) from error
            except InputError as error:
                _tell(version, error)
                raise NotWritable(str(error)) from error
            self._watcher.serve(loaded[0])
        LOG.info("snapshot activated", extra={"fields": {"snapshot": version, "previous": former}})
        return former


def _tell(version: str, error: Exception) -> None:
    fields = {"snapshot": version, "reason": str(error), "error": type(error).__name__}
    LOG.error("activation refused", extra={"fields": fields})
