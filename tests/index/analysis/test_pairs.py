from __future__ import annotations

import numpy as np

from index.analysis.pairs import NEVER, Pairs
from index.dataset import Dataset

DAY = 86_400


def test_pairs_know_when_they_began(small: Dataset) -> None:
    pairs = Pairs.of(small.interactions, len(small.item_ids))
    # Users u1, u2 are 0, 1 and items a, b, c are 0, 1, 2.
    assert list(zip(pairs.users.tolist(), pairs.items.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
    ]
    days = (pairs.first_any - pairs.first_any.min()) // DAY
    assert days.tolist() == [0, 0, 21, 0, 1]
    assert (pairs.first_target == NEVER).tolist() == [False, False, False, False, True]
    np.testing.assert_array_equal(pairs.users[pairs.of_row], small.interactions.users)
    np.testing.assert_array_equal(pairs.items[pairs.of_row], small.interactions.items)
