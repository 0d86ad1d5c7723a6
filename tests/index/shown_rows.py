"""Impressions from rows written by hand."""

from __future__ import annotations

import numpy as np

from index.impressions import Impressions
from recsys.arrays import frozen

# user, item, time, position, taken
Row = tuple[int, int, int, int, int]


def of_rows(rows: list[Row]) -> Impressions:
    users, items, times, positions, taken = zip(*sorted(rows, key=lambda row: row[2]), strict=True)
    return Impressions(
        frozen(users, np.int32),
        frozen(items, np.int32),
        frozen(times, np.int64),
        frozen(positions, np.int32),
        np.zeros(len(users), np.int32),
        frozen(taken, np.int64),
    )
