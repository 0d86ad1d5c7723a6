from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.profile_bins import MOST_BINS, ProfileBins
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

NAN = float("nan")
# A code of two, nothing at all, and a number of many values.
VALUES = np.stack([np.arange(40) % 2, np.full(40, NAN), np.arange(40) * 1.5], axis=1).astype(np.float32)
VALUES[0] = NAN


def test_few_values_keep_their_own_bins_and_many_share_them_by_quantile() -> None:
    bins = ProfileBins.of(VALUES)
    found = bins.bins(VALUES)

    assert bins.n_bins == 2 + MOST_BINS
    assert found[0].tolist() == [-1, -1, -1]
    assert set(found[1:, 0].tolist()) == {0, 1}
    assert set(found[:, 1].tolist()) == {-1}
    assert np.bincount(found[1:, 2])[2:].tolist() == pytest.approx([39 / MOST_BINS] * MOST_BINS, abs=1)
    assert (np.diff(found[1:, 2]) >= 0).all()


def test_a_value_that_nobody_has_goes_with_its_neighbours() -> None:
    bins = ProfileBins.of(VALUES)
    found = bins.bins(np.array([[7.0, 3.0, -100.0], [-1.0, NAN, 1e9]], np.float32))

    assert found.tolist() == [[1, -1, 2], [0, -1, 1 + MOST_BINS]]


def test_they_are_the_same_when_read_back(tmp_path: Path) -> None:
    bins = ProfileBins.of(VALUES)
    bins.write(SnapshotWriter(tmp_path), "profiles")
    read = ProfileBins.read(SnapshotReader(tmp_path), "profiles")

    assert [edges is None for edges in read.edges] == [False, True, False]
    np.testing.assert_array_equal(read.bins(VALUES), bins.bins(VALUES))
    empty = ProfileBins.of(np.empty((3, 0), np.float32))
    empty.write(SnapshotWriter(tmp_path / "empty"), "profiles")
    assert ProfileBins.read(SnapshotReader(tmp_path / "empty"), "profiles") == empty
