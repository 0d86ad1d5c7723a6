"""The folder between the process that counts and the workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.errors import SnapshotCorrupt
from recsys.statistics import ItemStatistics
from server.counted import KEPT, CountedFolder


def statistics(at: int) -> ItemStatistics:
    values = np.full((3, 15), at, np.float32)
    return ItemStatistics(at, values, values[0], 4.0, {"b": values[1], "a": values[2]})


def test_what_was_written_is_read_and_older_ones_go(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path, "v1")
    assert folder.newest() == 0
    for at in range(1, 6):
        assert folder.write(statistics(at), n_kept=10 * at, n_events=at) == at
    found = folder.read(folder.newest())
    assert (found.number, found.n_kept, found.n_events, found.statistics.at) == (5, 50, 5, 5)
    assert found.statistics.fade_weeks == 4.0
    np.testing.assert_array_equal(found.statistics.values, statistics(5).values)
    assert {id: row.tolist() for id, row in found.statistics.arrivals.items()} == {"a": [5.0] * 15, "b": [5.0] * 15}
    assert len(list((tmp_path / "statistics" / "v1").iterdir())) == KEPT


def test_what_was_counted_for_another_version_goes(tmp_path: Path) -> None:
    CountedFolder(tmp_path, "v1").write(statistics(1), n_kept=1, n_events=1)
    CountedFolder(tmp_path, "v2").write(statistics(2), n_kept=1, n_events=1)
    assert CountedFolder(tmp_path, "v1").newest() == 0
    assert CountedFolder(tmp_path, "v2").newest() == 1


def test_what_a_killed_process_left_is_none(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path, "v1")
    left = tmp_path / "statistics" / "v1" / ".staging"
    left.mkdir(parents=True)
    (left / "about.json").write_text("{")
    assert folder.newest() == 0
    assert folder.write(statistics(1), n_kept=1, n_events=1) == 1


def test_a_garbled_one_says_so(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path, "v1")
    number = folder.write(statistics(1), n_kept=1, n_events=1)
    next((tmp_path / "statistics" / "v1").glob("*/arrays/statistics.values.npy")).write_bytes(b"no array")
    with pytest.raises(SnapshotCorrupt):
        folder.read(number)
