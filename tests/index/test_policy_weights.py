from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.frames import Frame
from index.heads import Head, Recipe
from index.labelled import Labelled
from index.policy_weights import LEAST_USERS, PolicyWeights, choose_weights
from index.selection import Chosen, Contender
from index.windows import Window
from recsys.arrays import Bool, Float32, Float64, Int32, frozen
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.evaluation.truth import Truth
from recsys.fusion import FOREST, RECIPROCAL_RANK, Fusion
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.profiles import Profiles
from recsys.statistics import ItemStatistics
from recsys.text_column import TextColumn

NOW, DAY, N_ITEMS = 1_500_000_000, 86_400, 60
HEAD = Head("discover", "novel", True, 1.0, (Recipe("quick", 5, 4, 0.1, 5),))


class ByFeature:
    """Scores are the only feature, in log-odds."""

    def score(self, features: Float32) -> Float64:
        return features[:, 0].astype(np.float64)


def context() -> Context:
    """Items below 20 have a hundred users each, the others one."""
    sizes = np.where(np.arange(N_ITEMS) < 20, 100, 1)
    users = np.concatenate([np.arange(size) for size in sizes])
    items = np.repeat(np.arange(N_ITEMS), sizes)
    n = len(users)
    taken = Interactions.ordered(users=users, items=items, times=[NOW - DAY] * n, weights=[1.0] * n, targets=[True] * n)
    nothing = TextColumn.of([""] * N_ITEMS)
    catalogue = Catalogue(
        items=IdMap.of(f"i{item:02d}" for item in range(N_ITEMS)),
        titles=nothing,
        categories=nothing,
        brands=nothing,
        prices=np.full(N_ITEMS, np.nan, np.float32),
        in_stock=np.ones(N_ITEMS, bool),
        created_at=np.zeros(N_ITEMS, np.int64),
        codes={},
    )
    statistics = ItemStatistics.fit(taken, N_ITEMS, NOW)
    profiles = Profiles((), np.empty((100, 0), np.float32))
    return Context.of(catalogue, statistics, profiles=profiles, factors=None, texts=None)


def window(scores: Float32, hit: Bool, n_users: int) -> Labelled:
    """Everybody is offered every item at ``scores`` (N_ITEMS,); ``hit`` (n_users, N_ITEMS) is what they take."""
    query = np.repeat(np.arange(n_users), N_ITEMS)
    items: Int32 = np.tile(np.arange(N_ITEMS, dtype=np.int32), n_users)
    frame = Frame(np.tile(scores, n_users)[:, None], hit.ravel(), np.ones(len(items), bool), query, items)
    truth = Truth.of(frozen(query[hit.ravel()], np.int32), items[hit.ravel()], N_ITEMS)
    asked = Truth.of(frozen(query, np.int32), items, N_ITEMS)
    return Labelled(Window(NOW, NOW + 28 * DAY), asked, {"all": truth, "novel": truth}, frame, True)


def chosen(kind: str = FOREST) -> Chosen:
    return Chosen(HEAD, Contender(Fusion(kind), None), {}, 0, "", ByFeature())


def weights(hit: Bool, n_users: int, kind: str = FOREST) -> PolicyWeights | None:
    # The popular stand above the others by less than the largest spread takes from them.
    scores = np.where(np.arange(N_ITEMS) < 20, 0.3, 0.0) - 0.001 * np.arange(N_ITEMS)
    return choose_weights(chosen(kind), window(scores.astype(np.float32), hit, n_users), context())


def test_popular_items_give_way_where_people_take_the_others() -> None:
    hit = np.zeros((300, N_ITEMS), bool)
    hit[:, 20:30] = True
    found = weights(hit, 300)
    assert found is not None
    assert found.spread > 0
    plain, *spread = found.tried
    best = next(one for one in spread if one.spread == found.spread)
    assert best.n_hit_items > plain.n_hit_items == 0


def test_the_order_stands_where_everybody_takes_what_is_popular() -> None:
    hit = np.zeros((300, N_ITEMS), bool)
    hit[:, :10] = True
    found = weights(hit, 300)
    assert found is not None
    assert (found.spread, found.diversity) == (0.0, 0.6)  # nothing resembles anything here: variety changes nothing
    assert found.tried[0].ndcg == pytest.approx(1.0)
    assert min(one.ndcg for one in found.tried) < 0.5


@pytest.mark.parametrize(
    ("task", "n_users", "spreads"), [("novel", 300, False), ("novel", 4_000, True), ("all", 300, True)]
)
def test_of_what_is_new_no_more_is_given_up_than_can_be_told(task: str, n_users: int, spreads: bool) -> None:
    # Who takes one of five popular items loses by variety, who takes one of ten others wins; 57 in 100 are the latter.
    user = np.arange(n_users)
    hit = np.zeros((n_users, N_ITEMS), bool)
    hit[user, np.where(user % 100 < 57, 20 + user % 10, 2 * (user % 5))] = True
    scores = np.where(np.arange(N_ITEMS) < 20, 0.3, 0.0) - 0.001 * np.arange(N_ITEMS)
    one = replace(chosen(), head=replace(HEAD, task=task))
    found = choose_weights(one, window(scores.astype(np.float32), hit, n_users), context())
    assert found is not None
    assert (found.spread > 0) == spreads


@pytest.mark.parametrize(("n_found_by_history", "spread"), [(1, 0.0), (4, 0.1), (9, 0.0)])
def test_home_holds_more_distinct_hits_than_history_where_that_costs_little(
    n_found_by_history: int, spread: float
) -> None:
    # All take item 0, which stays first. Three more popular items are taken by 15 people, nine others by one each.
    # Where these take the place of those 0.24 % is lost, more than is given up for hits as such.
    n_users = 1_000
    hit = np.zeros((n_users, N_ITEMS), bool)
    hit[:, 0] = True
    hit[np.arange(15), 1 + np.arange(15) % 3] = True
    hit[np.arange(15, 24), 20 + np.arange(9)] = True
    scores = np.where(np.arange(N_ITEMS) < 20, 0.3, 0.0) - 0.001 * np.arange(N_ITEMS)
    scores[0] = 5.0
    lists = np.full((n_users, 100), -1, np.int32)
    lists[15 : 15 + n_found_by_history, 3] = 20 + np.arange(n_found_by_history)
    rows = replace(window(scores.astype(np.float32), hit, n_users), plain={"all": {"history": lists}})
    found = choose_weights(replace(chosen(), head=replace(HEAD, name="home", task="all")), rows, context())
    assert found is not None
    assert [one.n_hit_items for one in found.tried[:4]] == [4, 4, 4, 10]
    assert found.spread == spread


def test_too_few_users_or_scores_without_a_scale_choose_nothing() -> None:
    hit = np.ones((LEAST_USERS, N_ITEMS), bool)
    assert weights(hit[:-1], LEAST_USERS - 1) is None
    assert weights(hit, LEAST_USERS, RECIPROCAL_RANK) is None
    assert weights(hit, LEAST_USERS) is not None
