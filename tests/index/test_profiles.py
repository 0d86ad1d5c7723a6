"""Profiles of a shop as a snapshot keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from index.builder import profiles_of
from index.dataset import load

NOW = 1_600_000_000


def test_categories_keep_their_names_and_numbers_are_numbers(tmp_path: Path) -> None:
    users = ["a", "b", "c"]
    pl.DataFrame({"user_id": users, "item_id": ["x"] * 3, "event_type": "view", "timestamp": NOW}).write_parquet(
        tmp_path / "events.parquet"
    )
    pl.DataFrame({"user_id": users, "age": [40, None, 30], "city": ["Ulm", "Bonn", None]}).write_parquet(
        tmp_path / "users.parquet"
    )
    dataset = load(tmp_path, None, now=NOW + 1)
    profiles = profiles_of(dataset.users, len(dataset.user_ids))

    assert profiles.labels == {"city": ("Bonn", "Ulm")}
    assert [profiles.attributes(user) for user in range(3)] == [
        {"age": 40, "city": "Ulm"},
        {"city": "Bonn"},
        {"age": 30},
    ]
    stranger = profiles.changed(None, {"age": 40.0, "city": "Ulm"})
    assert stranger is not None
    np.testing.assert_array_equal(stranger.values, profiles.values[0])
