"""The process that counts live events into item statistics. Started by the supervisor now and then, one at a time."""

from __future__ import annotations

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
from recsys.lately import counted_lately
from recsys.recent import EventRules
from recsys.snapshot.files import SnapshotReader
from recsys.snapshot.manifest import Manifest
from recsys.statistics import ItemStatistics
from recsys.stores.opening import open_state
from server.children import settings_from_parent, when_parent_ends
from server.counted import CountedFolder
from server.log import configure
from server.settings import Settings

# By name: started as a script, this module is called __main__.
LOG = logging.getLogger("server.count_lately")
# What was taken fades even while nothing is.
LONGEST_UNCHANGED_S = 3600


def count_lately(settings: Settings, version: str) -> bool:
    """Write the statistics of now for ``version``, which a worker has verified; False where there is nothing to write:
    no event has come since, or too few for what usually comes.

    RecsysError on a snapshot that cannot be read and on a store that cannot be had.
    """
    assert settings.scratch is not None
    started = perf_counter()
    folder = CountedFolder(settings.scratch, version)
    source = SnapshotReader(settings.snapshots / version)
    manifest = Manifest.read(source.folder)
    at = None if settings.clock == "snapshot" else int(time())
    with closing(open_state(settings.state)) as state:
        n_kept = state.events.count()
        if not n_kept or _is_counted(folder, n_kept, at):
            return False
        found = counted_lately(
            ItemStatistics.read(source),
            Histories.read(source),
            users=IdMap.read(source, "users.ids"),
            items=IdMap.read(source, "items.ids"),
            rules=EventRules.of(manifest.config),
            last_event_at=manifest.event_window_end,
            state=state,
            at=at,
        )
    fields: dict[str, object] = {"snapshot": version, "n_events": found.n_events, "pace": round(found.pace, 3)}
    if found.statistics is None:
        LOG.info("live events are too few to tell what is taken lately", extra={"fields": fields})
        return False
    folder.write(found.statistics, n_kept=n_kept, n_events=found.n_events)
    fields |= {"seconds": round(perf_counter() - started, 3)}
    LOG.info("live events are counted", extra={"fields": fields})
    return True


def _is_counted(folder: CountedFolder, n_kept: int, at: int | None) -> bool:
    """Whether the last counting was of so many events, and not long ago."""
    try:
        last = folder.read(folder.newest())
    except SnapshotCorrupt:
        return False
    return last.n_kept == n_kept and (at is None or at - last.statistics.at < LONGEST_UNCHANGED_S)


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
    except RecsysError as error:
        LOG.warning("live events cannot be counted now", extra={"fields": {"reason": str(error)}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
