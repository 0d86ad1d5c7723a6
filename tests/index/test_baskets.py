from __future__ import annotations

import numpy as np

from index.baskets import Baskets, starts_anew
from recsys.interactions import Interactions

DAY = 86_400


def test_a_basket_is_of_one_user_at_one_time_and_of_target_events() -> None:
    table = Interactions.ordered(
        users=[0, 0, 0, 0, 1, 2],
        items=[0, 1, 2, 0, 0, 0],
        times=[3 * DAY, 3 * DAY, 3 * DAY, DAY, DAY, DAY],  # user 1 came at the time of user 0's oldest, the row before
        weights=np.ones(6),
        targets=[True, True, False, True, True, False],
    )
    baskets = Baskets.of(table)
    assert (len(baskets), baskets.users.tolist(), baskets.sizes.tolist()) == (3, [0, 0, 1], [2, 1, 1])
    assert baskets.any(np.array([False, True, False, False])).tolist() == [True, False, False]


def test_with_a_gap_only_a_longer_pause_begins_anew() -> None:
    users, times = np.array([0, 0, 0, 0, 1], np.int32), np.array([100, 90, 80, 60, 60], np.int64)
    assert starts_anew(users, times).tolist() == [True, True, True, True, True]
    assert starts_anew(users, times, 10).tolist() == [True, False, False, True, True]
