"""What "now" is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore
from server.clock import CLOCKS
from server.live import Serving

LAST_EVENT_AT = 1_500_000_000


@pytest.fixture(scope="module")
def snapshot(snapshots: Path) -> Snapshot:
    store = SnapshotStore(snapshots)
    return Snapshot.read(store.open(store.current()))


def test_the_snapshots_clock_starts_just_after_its_last_event_and_runs_on(snapshot: Snapshot) -> None:
    clock = CLOCKS["snapshot"]
    started, an_hour_ago = (Serving.of(snapshot, since_s=time.monotonic() - ago) for ago in (0.0, 3600.0))

    assert 0 <= clock(started) - (LAST_EVENT_AT + 1) <= 5
    assert 0 <= clock(an_hour_ago) - (LAST_EVENT_AT + 3601) <= 5


def test_the_wall_clock_does_not_look_at_the_snapshot(snapshot: Snapshot) -> None:
    assert abs(CLOCKS["now"](Serving.of(snapshot, since_s=0.0)) - time.time()) <= 5
