"""Follows CURRENT: loads, verifies and warms a new snapshot off to the side, then swaps it in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from recsys.errors import NoSnapshot, RecsysError, SnapshotError
from recsys.model import Snapshot
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.store import SnapshotStore
from server.live import Live, Serving

LOG = logging.getLogger(__name__)

FIRST_RETRY_S = 10.0
LAST_RETRY_S = 600.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that would not load, how often it was tried and when (monotonic seconds) it may be tried again."""

    version: str
    attempts: int
    retry_at_s: float


class Watcher:
    """Polls ``store`` every ``interval_s`` on its own thread until ``stop``.

    A snapshot that fails is logged by name with the reason; the one before keeps serving. Snapshots are immutable, so
    a refused version is retried rarely (a disk may have recovered), another version at once. ``after`` is called on the
    same thread after every look. Who else loads or swaps holds ``turn`` meanwhile, so that nothing is loaded twice or
    replaced by what is older.
    """

    def __init__(
        self,
        store: SnapshotStore,
        live: Live,
        *,
        on_serving: Callable[[str], None],
        after: Callable[[], None] = lambda: None,
        interval_s: float = 1.0,
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self._store = store
        self._live = live
        self._on_serving = on_serving
        self._after = after
        self._interval_s = interval_s
        self._now_s = now_s
        self._refusal: Refusal | None = None
        self._unreadable = ""
        # Reentrant: a turn may consist of several steps that each need one.
        self.turn = threading.RLock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshot-watcher", daemon=True)

    def start(self) -> None:
        """Begin to follow CURRENT; the first look is immediate."""
        self._thread.start()

    def stop(self, patience_s: float | None = None) -> bool:
        """End the thread after what it is doing, and whether it has; may be called twice. None: however long."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(patience_s)
        return not self._thread.is_alive()

    def look(self) -> None:
        """One look at CURRENT, and the swap if it names another version that loads; old ones are forgotten in time."""
        with self.turn:
            self._look()

    def loaded(self, version: str, files: SnapshotReader) -> Serving:
        """The snapshot in verified ``files``, tried and warm; what is being served as it is. SnapshotError if unfit."""
        if version == self._live.version():
            return self._live.get()
        snapshot = Snapshot.read(files)
        snapshot.replay_golden()
        return Serving.of(snapshot, since_s=self._now_s())

    def serve(self, serving: Serving) -> None:
        """Serve what ``loaded`` gave, and tell so; nothing when it is being served."""
        self._refusal = None
        version = serving.manifest.version
        if version != self._live.version():
            self._live.swap(serving)
            self._on_serving(version)

    def _look(self) -> None:
        self._live.forget(self._now_s())
        try:
            version = self._store.current()
        except SnapshotError as error:
            # Whatever is being served goes on: an unreadable or missing CURRENT is not a newer snapshot.
            self._live.explain_absence(_public(error))
            self._note_current(error)
            return
        self._unreadable = ""
        if version == self._live.version() or not self._is_due(version):
            return
        started = self._now_s()
        try:
            serving = self.loaded(version, self._store.open(version))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a new snapshot, the old one keeps serving
            self._refuse(version, error)
            return
        seconds = round(self._now_s() - started, 3)
        LOG.info("snapshot loaded", extra={"fields": {"snapshot": version, "seconds": seconds}})
        self.serve(serving)

    def _note_current(self, error: SnapshotError) -> None:
        """Log once what is wrong with CURRENT; that nothing has been published yet is not wrong."""
        if str(error) != self._unreadable and not isinstance(error, NoSnapshot):
            LOG.error("no current snapshot", extra={"fields": {"serving": self._live.version(), "reason": str(error)}})
        self._unreadable = str(error)

    def _is_due(self, version: str) -> bool:
        refusal = self._refusal
        return refusal is None or refusal.version != version or self._now_s() >= refusal.retry_at_s

    def _refuse(self, version: str, error: Exception) -> None:
        before = self._refusal
        attempts = before.attempts + 1 if before is not None and before.version == version else 1
        wait_s = min(FIRST_RETRY_S * 2 ** (attempts - 1), LAST_RETRY_S)
        self._refusal = Refusal(version, attempts, self._now_s() + wait_s)
        self._live.explain_absence(_public(error))
        fields = {
            "snapshot": version,
            "serving": self._live.version(),
            "reason": str(error),
            "error": type(error).__name__,
            "retry_in_s": wait_s,
        }
        expected = isinstance(error, RecsysError)
        LOG.error("snapshot refused", extra={"fields": fields}, exc_info=None if expected else error)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with self.turn:
                    self._look()
                    self._after()
            except Exception:
                LOG.exception("looking for a new snapshot failed")
            self._stopped.wait(self._interval_s)


def _public(error: Exception) -> RecsysError:
    """What a caller may learn while nothing is served: the kind of failure; names and reasons are in the log."""
    return type(error)() if isinstance(error, SnapshotError) else NoSnapshot()
