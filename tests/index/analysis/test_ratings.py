from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from index.analysis.ratings import Ratings

Make = Callable[..., Any]


def test_ratings_by_hand(dataset_of: Make, day: Make) -> None:
    values = [1, 4, 4, 5, 2.5, None]
    rated = [day("u", f"i{n}", n, "rating", value=value) for n, value in enumerate(values)]
    ratings = Ratings.of(dataset_of(rated, toml="[events]\nmin_value = 4\n"))
    assert ratings is not None
    assert (ratings.n_known, ratings.share_known, ratings.n_distinct) == (5, pytest.approx(5 / 6), 4)
    assert (ratings.least, ratings.median, ratings.most, ratings.mean) == (1, 4, 5, pytest.approx(3.3))
    assert ratings.shares == {"1": 0.2, "2.5": 0.2, "4": 0.4, "5": 0.2}
    assert (ratings.min_value, ratings.share_below) == (4, 0.4)


def test_of_many_values_the_most_frequent_are_shown_in_order(dataset_of: Make, day: Make) -> None:
    # 0 … 19 once each and 15 … 19 twice: the five, and the lowest seven of the others.
    values = [*range(20), *range(15, 20)]
    ratings = Ratings.of(dataset_of([day("u", f"i{n}", n, "rating", value=value) for n, value in enumerate(values)]))
    assert ratings is not None
    assert list(ratings.shares) == [str(value) for value in (*range(7), *range(15, 20))]
    assert ratings.shares["0"] == 1 / 25
    assert ratings.shares["19"] == 2 / 25
    assert math.isnan(ratings.min_value)
    assert math.isnan(ratings.share_below)
