"""The folder between the process that counts and the workers."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import InputError, SnapshotCorrupt
from recsys.statistics import ItemStatistics
from server.counted import KEPT, Counted, CountedFolder


def counting(at: int) -> Counted:
    values = np.full((3, 15), at, np.float32)
    statistics = ItemStatistics(at, values, values[0], 4.0, {"b": values[1], "a": values[2]})
    return Counted(stamp=f"stamp {at}", position=10 * at, n_events=at, at=at, statistics=statistics)


def test_what_was_written_is_read_and_older_ones_go(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path, "v1")
    assert folder.newest() == 0
    numbers = [folder.write(counting(at)) for at in range(1, 6)]
    assert numbers == sorted(set(numbers))
    assert folder.newest() == numbers[-1]
    found = folder.read(folder.newest())
    assert (found.stamp, found.position, found.n_events, found.at) == ("stamp 5", 50, 5, 5)
    assert found.statistics is not None
    assert found.statistics.fade_weeks == 4.0
    np.testing.assert_array_equal(found.statistics.values, np.full((3, 15), 5))
    assert {id: row.tolist() for id, row in found.statistics.arrivals.items()} == {"a": [5.0] * 15, "b": [5.0] * 15}
    assert len(list((tmp_path / "statistics" / "v1").iterdir())) == KEPT


def test_that_there_are_none_is_written_too(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path, "v1")
    none = replace(counting(3), statistics=None)
    assert folder.read(folder.write(none)) == none


def test_a_number_never_comes_twice_even_where_somebody_emptied_the_folder(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path, "v1")
    first = folder.write(counting(1))
    shutil.rmtree(tmp_path / "statistics")
    assert folder.newest() == 0
    assert folder.write(counting(1)) > first


def test_the_servers_own_folder_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is gone: restart"):
        CountedFolder(tmp_path / "gone", "v1").write(counting(1))


def test_what_was_counted_for_another_version_goes(tmp_path: Path) -> None:
    CountedFolder(tmp_path, "v1").write(counting(1))
    CountedFolder(tmp_path, "v2").write(counting(2))
    assert CountedFolder(tmp_path, "v1").newest() == 0
    assert CountedFolder(tmp_path, "v2").newest()


def test_what_killed_processes_and_others_left_is_none(tmp_path: Path) -> None:
    folder, left = CountedFolder(tmp_path, "v1"), tmp_path / "statistics" / "v1"
    for name in (".staging", "²", "٣", "1x"):
        (left / name).mkdir(parents=True)
    (left / ".staging" / "about.json").write_text("{")
    assert folder.newest() == 0
    assert folder.newest() != folder.write(counting(1))


def test_what_did_not_fit_is_not_left_to_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ItemStatistics, "write", full)
    with pytest.raises(OSError, match="No space"):
        CountedFolder(tmp_path, "v1").write(counting(1))
    assert list((tmp_path / "statistics" / "v1").iterdir()) == []


def test_a_garbled_one_says_so(tmp_path: Path) -> None:
    folder = CountedFolder(tmp_path, "v1")
    number = folder.write(counting(1))
    next((tmp_path / "statistics" / "v1").glob("*/arrays/statistics.values.npy")).write_bytes(b"no array")
    with pytest.raises(SnapshotCorrupt):
        folder.read(number)
