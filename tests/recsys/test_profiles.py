from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.profiles import BINS, LABELS, Profiles
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

NAN = float("nan")
PROFILES = Profiles(
    ("taste", "age", "club"),
    np.array([[0, 30, 1], [1, 41, NAN], [NAN, NAN, NAN]], np.float32),
    {"taste": ("even", "odd"), "club": ("1", "true")},
)


def changed(user: int | None, **attributes: Any) -> list[float]:
    profile = PROFILES.changed(user, attributes)
    assert profile is not None
    return profile.values.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("user", "attributes", "expected"),
    [
        (None, {"taste": "odd"}, [1, NAN, NAN]),
        (0, {"taste": "odd"}, [1, 30, 1]),
        (0, {"taste": None, "other": "x"}, [NAN, 30, 1]),
        (0, {"taste": "unheard of"}, [NAN, 30, 1]),
        (1, {"age": 33.5}, [1, 33.5, NAN]),
        (1, {"age": "42"}, [1, 42, NAN]),
        (1, {"age": "young"}, [1, NAN, NAN]),
        (1, {"age": 1e300}, [1, NAN, NAN]),
        (1, {"club": True}, [1, 41, 1]),
        (1, {"club": 1.0}, [1, 41, 0]),
        (1, {"age": True}, [1, 1, NAN]),
    ],
)
def test_attributes_of_now_stand_in_the_snapshots_columns(
    user: int | None, attributes: dict[str, Any], expected: list[float]
) -> None:
    assert changed(user, **attributes) == pytest.approx(expected, nan_ok=True)


def test_what_is_of_no_column_changes_nothing() -> None:
    assert PROFILES.changed(0, {"other": "x"}) is None
    assert Profiles(PROFILES.names, PROFILES.values, None).changed(0, {"taste": "odd"}) is None


def test_the_bins_of_a_changed_profile_are_those_of_somebody_who_had_it_before() -> None:
    profile = PROFILES.changed(None, {"taste": "even", "age": 30.0, "club": True})
    assert profile is not None
    assert profile.bins.tolist() == PROFILES.bins.bins(PROFILES.values)[0].tolist()


def test_attributes_read_as_they_were_written() -> None:
    assert PROFILES.attributes(0) == {"taste": "even", "age": 30.0, "club": "true"}
    assert PROFILES.attributes(1) == {"taste": "odd", "age": 41.0}
    assert PROFILES.attributes(2) == PROFILES.attributes(None) == {}


def test_a_snapshot_from_before_labels_is_read_and_knows_no_attributes(tmp_path: Path) -> None:
    PROFILES.write(SnapshotWriter(tmp_path))
    whole = Profiles.read(SnapshotReader(tmp_path))
    assert whole.changed(None, {"taste": "odd"}) is not None
    (tmp_path / LABELS).unlink()
    for part in ("edges", "n_edges"):
        (tmp_path / "arrays" / f"{BINS}.{part}.npy").unlink()
    old = Profiles.read(SnapshotReader(tmp_path))

    assert old.labels is None
    assert old.attributes(0) == {}
    assert math.isnan(old.of(None)[0])
    np.testing.assert_array_equal(old.bins.bins(old.values), whole.bins.bins(whole.values))
