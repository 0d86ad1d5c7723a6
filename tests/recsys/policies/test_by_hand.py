"""The policies' arithmetic on slates so small that it can be done on paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.context import Context
from recsys.model import Snapshot
from recsys.policies.diversity import Diversity, greedy, similarities
from recsys.policies.relevance import SPAN, UNSCORED, log_odds
from recsys.policies.screens import SCREEN, by_screen, whole_screens
from recsys.policies.spread import Spread
from recsys.query import Query, Slate

World = Callable[..., Snapshot]


def slate_of(items: list[int], scores: list[float]) -> Slate:
    return Slate(frozen(items, np.int32), frozen(scores, np.float32))


def sets_of(positions: np.ndarray) -> tuple[set[int], list[int]]:
    """What the first screen holds, and what comes after it."""
    return set(positions[:SCREEN].tolist()), positions[SCREEN:].tolist()


@pytest.fixture(scope="module")
def shop(world: World) -> Context:
    """24 items; item 11 was taken by 7 users, item 10 by 3, the others by none. Items 10 and 11 share a text with 0."""
    events = [(user, 11, 5) for user in range(7)] + [(user, 10, 100) for user in range(3)] + [(0, 10, 30)]
    text_of = np.arange(24)
    text_of[[10, 11]] = 0
    vectors = np.eye(24)
    return world(events, n_users=7, n_items=24, vectors=vectors, text_of=text_of).model.context


@pytest.fixture
def query(world: World, query_of: Callable[..., Query]) -> Query:
    return query_of(world([(0, 0, 1)], n_users=1, n_items=24), "u00", limit=SCREEN)


def test_a_forests_scores_are_log_odds_and_missing_ones_come_last() -> None:
    scores = frozen([2.5, -1.0, np.nan], np.float32)
    assert log_odds(scores, trained=True).tolist() == [2.5, -1.0, UNSCORED]


def test_fused_scores_are_stretched_over_the_span() -> None:
    scores = frozen([0.05, 0.04, 0.03, np.nan], np.float32)
    assert log_odds(scores, trained=False) == pytest.approx([SPAN, SPAN / 2, 0.0, UNSCORED], rel=1e-6)


def test_equal_fused_scores_say_nothing() -> None:
    assert log_odds(frozen([0.02, 0.02], np.float32), trained=False).tolist() == [0.0, 0.0]
    assert log_odds(frozen([], np.float32), trained=False).tolist() == []


def test_a_constant_in_the_scores_changes_no_choice(shop: Context, query: Query) -> None:
    # Training on a tenth of the negatives adds log 10 to every score.
    policy = Diversity(0.5, Spread(0.3))
    items = [11, 10, *range(10), *range(12, 24)]
    orders = [
        policy.select(query, slate_of(items, [shift - place / 16 for place in range(24)]), shop).tolist()
        for shift in (0, 8)
    ]
    assert orders[0] == orders[1] != list(range(24))


def test_popularity_is_the_logarithm_of_users_in_12_weeks(shop: Context, query: Query) -> None:
    # Three users took item 10, only one of them in the last 12 weeks.
    discounted = Spread(0.5).discounted(query, slate_of([11, 10, 3], [2.0, 1.0, 0.0]), shop)
    assert discounted == pytest.approx([2 - 0.5 * np.log(8), 1 - 0.5 * np.log(2), 0.0], rel=1e-6)


@pytest.mark.parametrize(("weight", "leaves"), [(0.3, False), (0.35, True)])
def test_the_discount_decides_who_is_on_the_first_screen(
    shop: Context, query: Query, weight: float, leaves: bool
) -> None:
    # Item 11 is worth 0.7 more than item 20 and has 1 + 7 users to its 1 + 0: 0.3 log 8 = 0.62, 0.35 log 8 = 0.73.
    slate = slate_of([12, 13, 14, 15, 16, 17, 18, 19, 11, 21, 20], [5, 5, 5, 5, 5, 5, 5, 5, 1.7, 1.5, 1.0])
    first, after = sets_of(Spread(weight).select(query, slate, shop))
    assert after == ([8] if leaves else [10])
    assert first == set(range(11)) - set(after)


@pytest.mark.parametrize(("weight", "after"), [(0.6, [10]), (0.8, [9])])
def test_a_copy_of_a_chosen_item_needs_that_much_more_odds(
    shop: Context, query: Query, weight: float, after: list[int]
) -> None:
    # Item 10 is a copy of item 0, which comes first; item 20, unlike all others, is worth 0.7 less.
    slate = slate_of([0, 12, 13, 14, 15, 16, 17, 18, 19, 10, 20], [5, 4, 4, 4, 4, 4, 4, 4, 4, 1.7, 1.0])
    first, left = sets_of(Diversity(weight, Spread(0.0)).select(query, slate, shop))
    assert left == after
    assert first == set(range(11)) - set(after)


def test_the_two_discounts_add_up(shop: Context, query: Query) -> None:
    # Item 11 (8 in the logarithm, a copy of item 0) is worth 1.2 more than item 20: either discount alone is too small.
    slate = slate_of([0, 12, 13, 14, 15, 16, 17, 18, 19, 11, 20], [5, 4, 4, 4, 4, 4, 4, 4, 4, 2.2, 1.0])
    alone = (Diversity(0.7, Spread(0.0)), Spread(0.3), Diversity(0.0, Spread(0.3)))
    assert all(policy.select(query, slate, shop)[-1] == 10 for policy in alone)
    assert Diversity(0.7, Spread(0.3)).select(query, slate, shop)[-1] == 9


def test_the_penalty_is_that_of_the_nearest_choice_and_ties_go_to_the_better_place() -> None:
    penalties = frozen([[0, 0.9, 0.2, 0.2], [0.9, 0, 0.4, 0], [0.2, 0.4, 0, 0], [0.2, 0, 0, 0]], np.float32)
    # 0, then 1.0 - 0.2 (twice: position 2 before 3), then 1.1 - 0.9 for position 1 after 1.0 - 0.2 for position 3.
    assert greedy(np.array([2.0, 1.1, 1.0, 1.0]), penalties, 4).tolist() == [0, 2, 3, 1]
    assert greedy(np.array([2.0, 1.1, 1.0, 1.0]), penalties, 2).tolist() == [0, 2]
    assert greedy(np.array([2.0, 1.1, 1.0, 1.0]), penalties * 0, 4).tolist() == [0, 1, 2, 3]


def test_similarity_is_the_cosine_and_never_negative(world: World) -> None:
    vectors = [[1, 0], [0.6, 0.8], [-1, 0]]
    context = world([(0, 0, 1)], n_users=1, n_items=4, vectors=vectors, text_of=[0, 1, 2, -1]).model.context
    found = similarities(frozen([1, 0, 2, 3], np.int32), context)
    expected = [[1, 0.6, 0, 0], [0.6, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(found, np.array(expected), atol=1e-6)


def test_without_texts_items_are_alike_by_the_category_levels_they_share(world: World) -> None:
    codes = {"category_1": [0, 0, 0, -1], "category_2": [0, 0, 1, -1], "brand": [7, 1, 7, 7]}
    context = world([(0, 0, 1)], n_users=1, n_items=4, codes=codes).model.context
    expected = [[1, 1, 0.5, 0], [1, 1, 0.5, 0], [0.5, 0.5, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(similarities(frozen(range(4), np.int32), context), np.array(expected))


def test_without_categories_any_grouping_will_do_and_without_one_nothing_is_alike(world: World) -> None:
    grouped = world([(0, 0, 1)], n_users=1, n_items=3, codes={"brand": [7, 1, 7]}).model.context
    items = frozen(range(3), np.int32)
    np.testing.assert_allclose(similarities(items, grouped), np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]))
    bare = world([(0, 0, 1)], n_users=1, n_items=3).model.context
    assert not similarities(items, bare).any()


def test_a_screen_keeps_the_rankers_order() -> None:
    chosen = np.array([11, 3, 0, 5, 7, 1, 9, 2, 8, 6, 12, 4])
    assert by_screen(chosen, 14).tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 4, 12, 10, 13]
    assert by_screen(np.array([], np.int64), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("limit", "n_items", "n"), [(1, 99, 10), (10, 99, 10), (11, 99, 20), (11, 15, 15), (5, 0, 0)])
def test_screens_are_chosen_whole(limit: int, n_items: int, n: int) -> None:
    assert whole_screens(limit, n_items) == n


def test_a_short_page_is_the_head_of_its_screen(shop: Context, query: Query) -> None:
    slate = slate_of(list(range(24)), np.linspace(1, 0, 24).tolist())
    policy = Diversity(0.6, Spread(0.1))
    whole = policy.select(query, slate, shop).tolist()
    assert policy.select(replace(query, limit=3), slate, shop)[:3].tolist() == whole[:3]
