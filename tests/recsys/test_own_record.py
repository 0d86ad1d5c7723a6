"""What a user's own record says of an item: how often, how lately, and whether there is a rhythm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recsys.model import Snapshot
from recsys.own_record import OwnRecord, own_records
from recsys.query import Query

TITLES = ["Milk", "Bread", "Tea 茶", "Jam", "Rice", "Salt", "Soap", "Oats"]
NOW = 1_500_000_000
QueryOf = Callable[..., Query]


def record_of(world: Callable[..., Snapshot], query_of: QueryOf, events: list[Any]) -> OwnRecord:
    one = world([(0, 0, *event) for event in events], n_users=1, n_items=1)
    return own_records(query_of(one, "u00"), np.zeros(1, np.int32))[0]


@pytest.mark.parametrize(
    ("days", "count", "regular"),
    [
        ([5, 15, 25], 3, True),
        ([5, 15], 2, False),
        # Within a day: no habit.
        ([3.0, 3.1, 3.2], 3, False),
        # Rows of one time are one purchase of several pieces.
        ([3, 3, 3], 1, False),
        ([3, 3, 13, 23, 23], 3, True),
        # A burst and one long ago: a mean that never was.
        ([5, 6, 7, 8, 200], 5, False),
        # It has stopped.
        ([100, 110, 120], 3, False),
        ([29, 39, 49], 3, True),
    ],
)
def test_a_rhythm_is_one_that_was_kept_and_goes_on(
    world: Callable[..., Snapshot], query_of: QueryOf, days: list[float], count: int, regular: bool
) -> None:
    record = record_of(world, query_of, [(one,) for one in days])
    assert (record.count, record.days, record.regular) == (count, pytest.approx(days[0]), regular)


@pytest.mark.parametrize("user_id", ["u00", "u05", "u11"])
def test_records_are_those_of_the_history_counted_by_hand(board: Snapshot, query_of: QueryOf, user_id: str) -> None:
    query = query_of(board, user_id)
    found = own_records(query, np.arange(16, dtype=np.int32))
    times: dict[int, set[int]] = {}
    for item, time in zip(query.history.items.tolist(), query.history.times.tolist(), strict=True):
        times.setdefault(item, set()).add(time)
    assert found.keys() == times.keys()
    for item, record in found.items():
        assert record.count == len(times[item])
        assert record.days == pytest.approx((query.at - max(times[item])) / 86_400)
        assert record.owned
