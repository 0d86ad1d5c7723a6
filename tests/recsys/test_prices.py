from __future__ import annotations

import numpy as np

from recsys.interactions import Interactions
from recsys.prices import prices_as_of


def sales(*rows: tuple[int, int, float]) -> Interactions:
    """Rows of (item, time, price)."""
    items, times, prices = zip(*rows, strict=True)
    n = len(rows)
    return Interactions.ordered(
        users=[0] * n, items=items, times=times, weights=[1.0] * n, targets=[True] * n, prices=prices
    )


def test_an_unlisted_price_is_the_median_of_what_was_paid_and_a_listed_one_stays() -> None:
    listed = np.array([np.nan, np.nan, 4.0, np.nan, np.nan], np.float32)
    paid = sales((0, 1, 9.0), (0, 2, 1.0), (0, 3, 2.0), (1, 4, 1.0), (1, 5, 2.0), (2, 6, 99.0), (3, 7, np.nan))
    np.testing.assert_array_equal(prices_as_of(listed, paid), np.array([2.0, 1.5, 4.0, np.nan, np.nan], np.float32))


def test_a_sale_that_is_still_to_come_gives_no_price() -> None:
    paid = sales((0, 10, 3.0), (1, 20, 5.0))
    listed = np.full(2, np.nan, np.float32)
    np.testing.assert_array_equal(prices_as_of(listed, paid.before(20)), np.array([3.0, np.nan], np.float32))
    np.testing.assert_array_equal(prices_as_of(listed, paid), np.array([3.0, 5.0], np.float32))
