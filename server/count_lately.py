"""The process that counts live events into item statistics. Started by the supervisor now and then, one at a time."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import sys
from contextlib import closing, suppress
from pathlib import Path
from time import perf_counter, time

from recsys.errors import RecsysError, SnapshotCorrupt
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.lately import Before, counted_lately
from recsys.recent import EventRules
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.manifest import Manifest
from recsys.statistics import ItemStatistics
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from server.children import settings_from_parent, when_parent_ends
from server.counted import Counted, CountedFolder
from server.log import configure
from server.settings import Settings

# By name: started as a script, this module is called __main__.
LOG = logging.getLogger("server.count_lately")
# What was taken fades even while nothing is.
LONGEST_UNCHANGED_S = 3600


def count_lately(settings: Settings, version: str) -> bool:
    """Write the statistics of now for ``version``, which a worker has verified, or that there are none: too few events
    came for what usually comes. False where it was written before and nothing has changed since.

    RecsysError on a snapshot that cannot be read, a store that cannot be had and a folder that is gone.
    """
    assert settings.scratch is not None
    started = perf_counter()
    folder = CountedFolder(settings.scratch, version)
    source = SnapshotReader(settings.snapshots / version)
    manifest = Manifest.read(source.folder)
    at = None if settings.clock == "snapshot" else int(time())
    with closing(open_state(settings.state)) as state:
        stamp = _stamp(state)
        if _is_counted(folder, stamp, state, at):
            return False
        before = Before(
            statistics=ItemStatistics.read(source),
            histories=Histories.read(source),
            users=IdMap.read(source, "users.ids"),
            items=IdMap.read(source, "items.ids"),
            rules=EventRules.of(manifest.config),
            last_event_at=manifest.event_window_end,
        )
        found = counted_lately(before, state, at=at)
    counted = Counted(stamp, found.position, found.n_events, at or 0, found.statistics)
    folder.write(counted)
    fields = {"snapshot": version, "n_events": found.n_events, "pace": round(found.pace, 3)}
    fields |= {"seconds": round(perf_counter() - started, 3)}
    said = "live events are counted" if found.statistics else "live events are too few to tell what is taken lately"
    LOG.info(said, extra={"fields": fields})
    return True


def _stamp(state: State) -> str:
    """Of all that counts but new events: how many there are, whose they are, and which items were created."""
    links = sorted(state.users.links())
    n_erased = sum(1 for _ in state.users.erasures())
    told = repr((state.events.count(), state.items.version(), n_erased, links))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def _is_counted(folder: CountedFolder, stamp: str, state: State, at: int | None) -> bool:
    """Whether the last counting was of the same, and not long ago."""
    try:
        last = folder.read(folder.newest())
    except SnapshotCorrupt:
        return False
    is_same = last.stamp == stamp and not state.events.since(last.position, 1)[0]
    return is_same and (at is None or at - last.at < LONGEST_UNCHANGED_S)


def main() -> int:
    """Count for the version that is the one argument; 0 unless that failed."""
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure("counting")
    with suppress(OSError):
        # Where memory runs out this is the process to end.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        settings = settings_from_parent("server.count_lately")
        when_parent_ends(lambda: os._exit(1))
        count_lately(settings, sys.argv[1])
    except (RecsysError, OSError) as error:
        LOG.warning("live events cannot be counted now", extra={"fields": {"reason": str(error)}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
