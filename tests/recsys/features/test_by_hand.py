"""Features of one user, each worked out on paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from recsys.arrays import Float32
from recsys.features.assemble import assemble
from recsys.model import Snapshot
from recsys.query import Candidates, Query

WEEK = 7.0
PRICES = [2.0, 8.0, math.nan, 4.0, 5.0]

# The user u00 took item 0 two, four and eight weeks ago, item 1 together with its second purchase, and looked at item
# 3 five weeks ago. u01 took items 2 and 4 last week.
EVENTS = [
    (0, 0, 2 * WEEK),
    (0, 0, 4 * WEEK, 2.0, True),
    (0, 1, 4 * WEEK),
    (0, 3, 5 * WEEK, 0.5, False),
    (0, 0, 8 * WEEK),
    (1, 2, 1 * WEEK),
    (1, 4, 1 * WEEK),
]
ITEMS = [0, 1, 2, 3, 4]
Columns = Mapping[str, Float32]
MISSING = math.nan


@pytest.fixture(scope="module")
def snapshot(world: Callable[..., Snapshot], now: int) -> Snapshot:
    return world(
        EVENTS,
        n_users=2,
        n_items=5,
        prices=PRICES,
        created_at=[0, now - 14 * 86_400, now, now + 1, 1],
        codes={"category_1": [0, 0, 1, 1, -1]},
        factors=[[1, 0], [0, 1], [1, 1], [2, 0], [0, 0.5]],
        vectors=[[1, 0], [0, 1], [3, 4]],
        text_of=[0, 1, 2, -1, 2],
    )


@pytest.fixture(scope="module")
def columns(snapshot: Snapshot, query_of: Callable[..., Query], candidates_of: Callable[..., Candidates]) -> Columns:
    query = query_of(snapshot, "u00")
    candidates = candidates_of(ITEMS, tuple(snapshot.pipeline.sources))
    matrix, _ = assemble(snapshot.pipeline.families, [query], [candidates], snapshot.model.context)
    return dict(zip(snapshot.feature_names, matrix.T, strict=True))


# The only repeated pair has a mean gap of (8 - 2) / 2 = 3 weeks; so has every item, as the prior is the mean of all.
GAP_0 = ((8 - 2) + 2 * 3) / (3 - 1 + 2)
GAP_ONCE = (0 + 2 * 3) / (1 - 1 + 2)


@pytest.mark.parametrize(
    ("name", "item_0", "item_1", "item_3"),
    [
        ("own_count", 3, 1, 1),
        ("own_targets", 3, 1, 0),
        ("own_decay_4w", math.exp(-0.5) + 2 * math.exp(-1) + math.exp(-2), math.exp(-1), 0.5 * math.exp(-1.25)),
        (
            "own_decay_40w",
            math.exp(-0.05) + 2 * math.exp(-0.1) + math.exp(-0.2),
            math.exp(-0.1),
            0.5 * math.exp(-1 / 8),
        ),
        # Four weeks ago exactly is no longer within four weeks.
        ("own_count_4w", 1, 0, 0),
        ("own_count_8w", 2, 1, 1),
        ("own_count_12w", 3, 1, 1),
        ("own_since_weeks", 2, 4, 5),
        ("own_first_weeks", 8, 4, 5),
        ("own_gap_weeks", GAP_0, GAP_ONCE, GAP_ONCE),
        ("own_due", 2 / (GAP_0 + 0.3), 4 / (GAP_ONCE + 0.3), 5 / (GAP_ONCE + 0.3)),
        # Trips, the newest first: two, four, five and eight weeks ago.
        ("own_baskets_since", 0, 1, 2),
        ("own_basket_rate", 3 / 4, 1 / 2, 1 / 3),
    ],
)
def test_a_record_of_the_user_with_the_item(
    columns: Columns, name: str, item_0: float, item_1: float, item_3: float
) -> None:
    assert columns[name] == pytest.approx([item_0, item_1, MISSING, item_3, MISSING], rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user_events", 5),
        ("user_items", 3),
        ("user_baskets", 4),
        ("user_events_4w", 1),
        ("user_since_weeks", 2),
        ("user_tenure_weeks", 8),
        ("user_basket_size", 5 / 4),
        ("user_repeat_share", 1 - 3 / 5),
        ("user_price", math.log(2 * 2 * 8 * 4 * 2) / 5),
    ],
)
def test_a_column_of_the_user_is_the_same_for_every_candidate(columns: Columns, name: str, expected: float) -> None:
    assert columns[name] == pytest.approx([expected] * 5, rel=1e-6)


def test_a_price_is_measured_against_what_the_user_usually_pays(columns: Columns) -> None:
    usual = math.log(256) / 5
    expected = [math.log(price) - usual for price in PRICES]
    assert columns["price_to_user"] == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert columns["item_price"] == pytest.approx(PRICES, nan_ok=True)


def test_an_item_is_as_old_as_the_catalogue_says_unless_it_lies_ahead(columns: Columns, now: int) -> None:
    expected = [MISSING, 2.0, 0.0, MISSING, (now - 1) / (7 * 86_400)]
    assert columns["item_created_weeks"] == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_item_statistics_are_looked_up_as_they_are(columns: Columns, snapshot: Snapshot) -> None:
    statistics = snapshot.model.context.statistics
    np.testing.assert_array_equal(columns["item_gap_weeks"], statistics.column("gap_weeks"))
    np.testing.assert_array_equal(columns["item_users_4w"], statistics.column("users_4w"))


def test_affinity_is_the_share_of_the_decayed_weight(columns: Columns) -> None:
    one = math.exp(-2 / 12) + 2 * math.exp(-4 / 12) + math.exp(-8 / 12) + math.exp(-4 / 12)
    other = 0.5 * math.exp(-5 / 12)
    share, rest = one / (one + other), other / (one + other)
    assert columns["category_1: affinity"] == pytest.approx([share, share, rest, rest, 0.0], rel=1e-6)
    assert columns["category_1: items"].tolist() == [2, 2, 1, 1, 0]
    assert columns["category_1: since_weeks"] == pytest.approx([2, 2, 5, 5, MISSING], nan_ok=True)


def test_an_items_share_is_of_its_groups_users_in_twelve_weeks(columns: Columns) -> None:
    # One user each for items 0, 1 and 2, none for 3: it was only looked at. One is added below the line.
    expected = [1 / 3, 1 / 3, 1 / 2, 0.0, MISSING]
    assert columns["category_1: share"] == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_discoveries_are_first_times_that_fade(columns: Columns) -> None:
    # Item 0 was new eight weeks ago, item 1 four; item 3, of the other group, five.
    one, other = math.exp(-8 / 12) + math.exp(-4 / 12), math.exp(-5 / 12)
    assert columns["category_1: discoveries"] == pytest.approx([one, one, other, other, 0.0], rel=1e-6)
    # Of all users' first times in less than 8 weeks: item 1 has one in its group of one, item 2 one; both users were
    # active then, so each is 1/2, and a hundredth of the largest is added below the line.
    share = 0.5 / (0.5 + 0.005)
    assert columns["category_1: expected"] == pytest.approx(
        [0.0, one * share, other * share, 0.0, MISSING], nan_ok=True
    )


def test_closeness_is_the_product_with_the_folded_in_vector(
    columns: Columns, snapshot: Snapshot, query_of: Callable[..., Query]
) -> None:
    query = query_of(snapshot, "u00")
    model = snapshot.model.context.factors
    assert model is not None
    expected = model.factors @ model.user_vector(query.history, query.at)
    np.testing.assert_allclose(columns["als_closeness"], expected, rtol=1e-6)


def test_text_closeness_is_the_cosine_to_the_decayed_mean(columns: Columns) -> None:
    x = math.exp(-2 / 8) + 2 * math.exp(-4 / 8) + math.exp(-8 / 8)
    y = math.exp(-4 / 8)
    length = math.hypot(x, y)
    third = (0.6 * x + 0.8 * y) / length
    expected = [x / length, y / length, third, MISSING, third]
    assert columns["content_closeness"] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_what_a_source_did_not_return_has_neither_score_nor_rank(columns: Columns) -> None:
    assert np.isnan(columns["history_score"]).all()
    assert np.isnan(columns["popular_rank"]).all()


def test_scores_and_ranks_are_the_sources_own(snapshot: Snapshot, query_of: Callable[..., Query]) -> None:
    query = query_of(snapshot, "u00")
    candidates, _ = snapshot.pipeline.retrieve(query)
    matrix, _ = assemble(snapshot.pipeline.families, [query], [candidates], snapshot.model.context)
    hits = snapshot.pipeline.sources["history"].retrieve(query, 150)
    rank = dict(zip(candidates.items.tolist(), matrix[:, snapshot.feature_names.index("history_rank")], strict=True))
    score = dict(zip(candidates.items.tolist(), matrix[:, snapshot.feature_names.index("history_score")], strict=True))
    assert [rank[item] for item in hits.items.tolist()] == list(range(len(hits)))
    assert [score[item] for item in hits.items.tolist()] == hits.scores.tolist()
    assert len(hits) == 3
