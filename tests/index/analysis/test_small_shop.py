"""Every number of an analysis of eight events, counted by hand.

u1 buys a and b on day 0, a on day 7, a and c on day 21. u2 views a on day 0, buys it on day 1 and views b.
The catalogue knows a, b and d; profiles are of u1 and u3.
"""

from __future__ import annotations

import math

import pytest

from index.analysis.analysis import Analysis, analyse
from index.analysis.coverage import Column
from index.analysis.funnel import Step
from index.analysis.spread import Quantiles
from index.dataset import Dataset

DAY = 86_400
START = 18_000 * DAY
END = START + 21 * DAY + 1


@pytest.fixture
def found(small: Dataset) -> Analysis:
    return analyse(small, end=END)


def test_sizes(found: Analysis) -> None:
    sizes = found.sizes
    assert (sizes.n_users, sizes.n_items, sizes.n_known_users, sizes.n_known_items) == (2, 3, 3, 4)
    assert (sizes.n_events, sizes.n_target_events, sizes.n_positives, sizes.n_likers) == (8, 6, 6, 2)
    assert sizes.n_shared_items == 0
    assert sizes.events_by_type == {"purchase": 6, "view": 2}
    assert (sizes.first_at, sizes.last_at, sizes.days) == (START, START + 21 * DAY, 21.0)
    # All pairs but (u2, c); u2 only viewed b.
    assert (sizes.n_pairs, sizes.n_target_pairs) == (5, 4)
    assert sizes.density == pytest.approx(5 / 6)


def test_spread(found: Analysis) -> None:
    sizes = found.sizes
    # Users have 5 and 3 events, items 5, 2 and 1.
    assert sizes.events_per_user == Quantiles(3, 3.5, 4, 4.5, pytest.approx(4.9), 5, 4)
    assert sizes.events_per_item == Quantiles(1, 1.5, 2, 3.5, pytest.approx(4.7), 5, pytest.approx(8 / 3))
    # Baskets of u1 hold 2, 1 and 2 purchases, that of u2 one: views are in none.
    assert sizes.n_baskets == 4
    assert sizes.baskets_per_user == Quantiles(1, 1.5, 2, 2.5, pytest.approx(2.9), 3, 2)
    assert sizes.basket_size == Quantiles(1, 1, 1.5, 2, 2, 2, 1.5)


def test_repeats(found: Analysis) -> None:
    # a on days 7 and 21 was owned; u2 had seen a as well.
    assert found.repeats.share_owned == pytest.approx(2 / 6)
    assert found.repeats.share_seen == pytest.approx(3 / 6)
    assert found.repeats.share_of_baskets == pytest.approx(2 / 4)
    # 7 and 14 days.
    assert found.repeats.median_gap_days == 10.5


def test_concentration(found: Analysis) -> None:
    items, users = found.item_concentration, found.user_concentration
    # Mean absolute difference of 5, 2, 1 over all ordered pairs: 2 (3 + 4 + 1) / 9; the Gini index is that / (2 · 8/3).
    assert items.gini == pytest.approx(16 / 9 / (16 / 3))
    assert (items.share_of_top, items.share_of_largest, items.n_for_half) == (5 / 8, 5 / 8, 1)
    # 5 and 3: 2 · 2 / 4 over 2 · 4.
    assert users.gini == pytest.approx(1 / 8)
    assert (users.share_of_top, users.share_of_largest, users.n_for_half) == (5 / 8, 5 / 8, 1)


def test_coverage_of_items(found: Analysis) -> None:
    # Four items; a has 5 of the 8 events, b 2, c 1, d none.
    assert found.coverage.items == {
        "title": Column("text", 2 / 4, 5 / 8, 2, 1.0),
        "text": Column("text", 3 / 4, 7 / 8, 3, pytest.approx(math.log2(3))),
        "category": Column("category", 2 / 4, 7 / 8, 2, 1.0),
        "brand": Column("category", 0.0, 0.0, 0, 0.0),
        "price": Column("number", 2 / 4, 7 / 8, 1, 0.0),
        "created_at": Column("time", 0.0, 0.0, 0, 0.0),
        "category_1": Column("category", 2 / 4, 7 / 8, 1, 0.0),
        "category_2": Column("category", 1 / 4, 5 / 8, 1, 0.0),
    }


def test_coverage_of_users(found: Analysis) -> None:
    assert found.coverage.users == {
        "age": Column("number", 1 / 3, 5 / 8, 1, 0.0),
        "city": Column("category", 2 / 3, 5 / 8, 2, 1.0),
    }
    # Of u1 and u2, who have events, only u1 has one.
    assert found.coverage.share_of_users_with_profile == 1 / 2


def test_funnel(found: Analysis) -> None:
    # Of six purchases only that of u2 follows a view of the same product.
    assert found.funnel == (Step("purchase", "view", pytest.approx(1 / 6)),)


def test_clock(found: Analysis) -> None:
    assert (found.clock.step_s, found.clock.share_at_midnight) == (DAY, 1.0)
    # Two on day 0 and two on day 21 of u1, two on day 1 of u2.
    assert found.clock.share_sharing_time == 6 / 8


def test_windows_of_a_quarter_when_the_data_are_short(found: Analysis) -> None:
    # 21 days and a second: windows of 453,600 s, which are 5.25 days, a quarter of that apart, and each needs as
    # much past: nine fit, every fourth adjoins.
    quarter = (END - START) // 4
    assert found.training.days == found.drift.window_days == quarter / DAY == 5.25
    assert [(w.start, w.end) for w in found.training.windows] == [
        (END - quarter - k * (quarter // 4), END - k * (quarter // 4)) for k in range(9)
    ]
    newest, second, third = found.training.windows[::4]
    # u1 takes a, which was owned, and c; then nothing; then a on day 7.
    assert (newest.n_users, newest.n_positives, newest.share_owned, newest.share_seen) == (1, 2, 0.5, 0.5)
    assert (second.n_users, second.n_positives) == (0, 0)
    assert math.isnan(second.share_owned)
    assert (third.n_users, third.n_positives, third.share_owned) == (1, 1, 1.0)


def test_cold(found: Analysis) -> None:
    cold = found.cold
    # The newest window holds a and c of u1; c is new.
    assert (cold.n_target_events, cold.share_of_new_users, cold.share_of_new_items) == (2, 0.0, 0.5)
    # d; u3; and c, which the items table lacks.
    assert (cold.n_items_without_events, cold.n_users_without_events, cold.n_events_outside_catalogue) == (1, 1, 1)


def test_nothing_is_rated(found: Analysis) -> None:
    assert found.ratings is None
