"""rebuild --until: what lies after a time leaves no trace, and a time after the data is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore

Run = Callable[..., Any]
TWO_WINDOWS = "[training]\nwindows = 2\n"


def test_until_uses_only_earlier_events(rebuild: Run, data: Path, store: SnapshotStore) -> None:
    ran = rebuild(data, "--until", "2025-05-01T12:00Z")
    assert ran.code == 0, ran.err
    assert "rows lie after the chosen end and are set aside" in ran.err
    manifest = store.manifest(store.current())
    until = 1_746_100_800
    assert until - 86_400 < manifest.event_window_end < until
    histories = Snapshot.read(store.open(store.current())).histories
    assert int(histories.times.max()) == manifest.event_window_end


def test_until_gives_the_same_snapshot_as_data_that_end_there(
    rebuild: Run, corner_shop: Any, data: Path, store: SnapshotStore, tmp_path: Path
) -> None:
    until = 1_746_100_800
    assert rebuild(data, "--until", "2025-05-01T12:00Z").code == 0
    first = store.manifest(store.current()).files
    earlier = corner_shop.events["timestamp"].dt.epoch("s") < until
    short = replace(corner_shop, events=corner_shop.events.filter(earlier)).write(tmp_path / "short", TWO_WINDOWS)
    assert rebuild(short, "--until", "2025-05-01T12:00Z").code == 0
    second = store.manifest(store.current()).files
    assert {name for name in first if first[name] != second.get(name)} == {"report.json"}


def test_an_end_after_the_data_is_their_own(rebuild: Run, data: Path, store: SnapshotStore) -> None:
    assert rebuild(data).code == 0
    first = store.manifest(store.current()).files
    assert rebuild(data, "--until", "2027-01-01T00:00Z").code == 0
    second = store.manifest(store.current()).files
    assert {name for name in first if first[name] != second.get(name)} == {"report.json"}


def test_a_time_that_is_none_is_a_usage_error(rebuild: Run, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        rebuild(data, "--until", "yesterday")
    assert ended.value.code == 2
    assert "expected a time such as 2017-12-04T05:00Z, got 'yesterday'" in capsys.readouterr().err
