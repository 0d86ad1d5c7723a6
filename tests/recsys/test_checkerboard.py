"""Worlds whose right answer is known exactly: even users take even items, odd users odd ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from index.factorise import AlsSettings, factorise
from recsys.arrays import frozen
from recsys.histories import Histories
from recsys.interactions import Interactions
from recsys.model import Snapshot
from recsys.query import EMPTY_HISTORY, History, Query
from recsys.serving import ServingConfig
from recsys.sources.factors import Factors
from recsys.sources.own_history import OwnHistory
from recsys.sources.popular import Popular
from recsys.sources.similar import SimilarFactors
from recsys.vector_index import VectorIndex

N_USERS, N_ITEMS = 40, 24
Board = Callable[[int, int], list[tuple[int, int, float]]]


def ask(history: History, now: int, *, allowed: list[int] | None = None, context: tuple[int, ...] = ()) -> Query:
    mask = np.zeros(N_ITEMS, bool)
    mask[range(N_ITEMS) if allowed is None else allowed] = True
    return Query(
        user_id="",
        user=None,
        history=history,
        allowed=frozen(mask, np.bool_),
        owned=history.owned,
        limit=10,
        at=now,
        config=ServingConfig("any", ()),
        context_items=frozen(context, np.int32),
    )


@pytest.fixture(scope="module")
def table(interactions: Callable[..., Interactions], board_events: Board) -> Interactions:
    return interactions(board_events(N_USERS, N_ITEMS))


@pytest.fixture(scope="module")
def source(table: Interactions, now: int) -> Factors:
    settings = AlsSettings(factors=2, regularisation=0.1)
    found = factorise(table, N_USERS, N_ITEMS, at=now, settings=settings, seed=1)
    assert found is not None
    vectors = np.ascontiguousarray(found.model.factors[found.items])
    return Factors(found.model, VectorIndex.build(vectors, sample=found.users, seed=1), found.items)


@pytest.mark.parametrize("user", range(N_USERS))
def test_the_factorisation_retrieves_only_the_users_colour(
    source: Factors, table: Interactions, now: int, user: int
) -> None:
    history = Histories.of_interactions(table, N_USERS).of(user)
    hits = source.retrieve(ask(history, now), N_ITEMS // 2)
    assert sorted(hits.items.tolist()) == list(range(user % 2, N_ITEMS, 2))


@pytest.mark.parametrize("user", range(N_USERS))
def test_the_first_new_item_is_the_one_the_user_left_out(
    source: Factors, table: Interactions, hole: Callable[[int, int], int], now: int, user: int
) -> None:
    history = Histories.of_interactions(table, N_USERS).of(user)
    new = np.setdiff1d(np.arange(N_ITEMS), history.owned).tolist()
    assert source.retrieve(ask(history, now, allowed=new), 1).items.tolist() == [hole(user, N_ITEMS)]


@pytest.mark.parametrize("item", [0, 1, 8, 23])
def test_one_item_is_enough_to_tell_the_colour(
    source: Factors, history: Callable[..., History], now: int, item: int
) -> None:
    hits = source.retrieve(ask(history([(item, 1)]), now), N_ITEMS // 2)
    assert set(hits.items % 2) == {item % 2}


@pytest.mark.parametrize("item", [2, 7])
def test_similar_items_are_of_the_same_colour(source: Factors, now: int, item: int) -> None:
    others = [other for other in range(N_ITEMS) if other != item]
    query = ask(EMPTY_HISTORY, now, allowed=others, context=(item,))
    hits = SimilarFactors(source).retrieve(query, N_ITEMS // 2 - 1)
    assert sorted(hits.items.tolist()) == [other for other in others if other % 2 == item % 2]


def test_a_mixed_basket_gets_both_colours(source: Factors, history: Callable[..., History], now: int) -> None:
    hits = source.retrieve(ask(history([(0, 1), (1, 1), (2, 1), (3, 1)]), now), 10)
    assert set(hits.items % 2) == {0, 1}


@pytest.mark.parametrize("user_id", ["u00", "u01", "u06", "u11"])
def test_text_of_one_colour_finds_that_colour_only(
    board: Snapshot, query_of: Callable[..., Query], user_id: str
) -> None:
    hits = board.pipeline.sources["content"].retrieve(query_of(board, user_id), 7)
    assert len(hits) == 7
    assert set(hits.items % 2) == {int(user_id[1:]) % 2}


@pytest.mark.parametrize(("user_id", "missing"), [("u00", 0), ("u04", 4), ("u05", 5), ("u11", 11)])
def test_discover_shows_the_left_out_item_first(
    board: Snapshot, query_of: Callable[..., Query], user_id: str, missing: int
) -> None:
    slate = board.pipeline.recommend(query_of(board, user_id, serving_config="discover")).slate
    assert slate.items[0] == missing
    # Of items new to the user only one is of their colour; the rest comes from the others.
    assert sorted(slate.items % 2) == sorted([missing % 2] + [1 - missing % 2] * (len(slate) - 1))


def test_an_item_with_the_text_of_another_is_found_through_it(board: Snapshot, query_of: Callable[..., Query]) -> None:
    query = query_of(board, "", serving_config="similar", context_item_ids=("i00",))
    assert board.pipeline.sources["similar-content"].retrieve(query, 1).items.tolist() == [4]


def test_own_history_scores_by_hand(history: Callable[..., History], now: int) -> None:
    taken = history([(5, 21), (3, 140), (5, 0), (9, 7, 2.0, False)])

    def decayed(days: float) -> float:
        return 0.3 * math.exp(-days / 21) + math.exp(-days / 140)

    hits = OwnHistory().retrieve(ask(taken, now), 10)
    assert hits.items.tolist() == [9, 5, 3]
    assert hits.scores == pytest.approx([2 * decayed(7), decayed(21) + decayed(0), decayed(140)], rel=1e-6)


@pytest.mark.parametrize("name", ["history", "als", "content"])
def test_what_the_user_did_not_like_is_no_ground_for_anything(
    world: Callable[..., Snapshot], query_of: Callable[..., Query], name: str
) -> None:
    shop = world(
        [(0, 1, 1, 0.0, True), (1, 1, 1), (1, 2, 1)],
        n_users=2,
        n_items=3,
        factors=np.eye(3),
        vectors=np.eye(3),
        text_of=np.arange(3),
    )
    source = shop.pipeline.sources[name]
    assert len(source.retrieve(query_of(shop, "u00"), 3)) == 0
    assert len(source.retrieve(query_of(shop, "u01"), 3)) > 0
    # It is owned all the same: showing it again would discover nothing.
    assert query_of(shop, "u00").owned.tolist() == [1]


def test_popular_walks_down_the_ranking_and_breaks_ties_by_item_number(now: int) -> None:
    scores = np.zeros(N_ITEMS, np.float32)
    scores[[4, 20, 7]] = [1.0, 3.0, 3.0]
    source = Popular.of(scores)
    assert source.retrieve(ask(EMPTY_HISTORY, now), 5).items.tolist() == [7, 20, 4, 0, 1]
    # So few allowed that the walk has to go to the end.
    assert source.retrieve(ask(EMPTY_HISTORY, now, allowed=[23, 4]), 1).items.tolist() == [4]
    assert source.retrieve(ask(EMPTY_HISTORY, now, allowed=[23, 22]), 1).items.tolist() == [22]
    assert source.retrieve(ask(EMPTY_HISTORY, now, allowed=[23, 4]), 9).items.tolist() == [4, 23]


def test_a_history_without_factors_says_nothing_about_taste(
    board: Snapshot, history: Callable[..., History], query_of: Callable[..., Query], now: int
) -> None:
    unknown = ask(history([(13, 1)]), now)
    mask = query_of(board, "").allowed
    query = Query("", None, unknown.history, mask, unknown.owned, 10, now, unknown.config)
    assert len(board.pipeline.sources["als"].retrieve(query, 5)) == 0
