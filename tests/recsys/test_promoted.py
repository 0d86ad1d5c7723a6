"""Promotions in whole lists: where what they bring in comes from, and which rules hold for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.errors import FilterError
from recsys.filters.kept import bits_at
from recsys.model import Snapshot
from recsys.policy_settings import CapSettings, FreshnessSettings, Promotion
from recsys.query import Query, Recommendation
from recsys.serving import Depth, Scope, ServingConfig

N_ITEMS = 150
# Unpopular items, the more so the higher their number: none of them is a candidate.
FAR = "price >= 120"


@pytest.fixture
def shop(world: Callable[..., Snapshot]) -> Callable[..., Snapshot]:
    """``shop(promotions, **config)``: item 0 is the most popular of 150 and costs 0, item 149 costs 149."""

    def made(*promotions: Promotion, depth: int = 30, in_stock: Any = None, **changes: Any) -> Snapshot:
        events = [(user, item, 2) for item in range(N_ITEMS) for user in range(1 + (N_ITEMS - item) // 5)]
        config = ServingConfig("home", (Depth("popular", depth),), promotions=promotions, **changes)
        return world(
            events, n_users=40, n_items=N_ITEMS, prices=np.arange(N_ITEMS), in_stock=in_stock, configs={"home": config}
        )

    return made


def answer(snapshot: Snapshot, query_of: Callable[..., Query], **ask: Any) -> Recommendation:
    return snapshot.pipeline.recommend(query_of(snapshot, "", **ask))


def test_popular_items_that_pass_take_the_places_where_no_candidate_does(shop: Any, query_of: Any) -> None:
    own = Promotion("far", FAR, share=0.2, slots=(3,))
    found = answer(shop(own), query_of, limit=20)
    items = found.slate.items.tolist()
    assert items[:10] == [0, 1, 120, 2, 3, 4, 5, 6, 7, 121]
    assert items[10:] == [8, 9, 122, 10, 11, 12, 13, 14, 15, 123]
    assert [name for name in found.promotions if name] == ["far"] * 4
    assert [found.promotions[place] for place in (2, 9, 12, 19)] == ["far"] * 4


def test_every_page_is_the_beginning_of_a_longer_page(shop: Any, query_of: Any) -> None:
    promotions = (Promotion("far", FAR, share=0.3), Promotion("middle", "price > 25 AND price < 60", slots=(2, 8)))
    snapshot = shop(*promotions, diversity=0.4, spread=0.2, freshness=FreshnessSettings(0.3), caps=CapSettings(3))
    whole = answer(snapshot, query_of, limit=N_ITEMS)
    assert sorted(whole.slate.items.tolist()) == list(range(N_ITEMS))
    for limit in (1, 5, 10, 11, 29, 31, 60, 99, 101, 140):
        page = answer(snapshot, query_of, limit=limit)
        assert page.slate.items.tolist() == whole.slate.items[:limit].tolist()
        assert page.promotions == whole.promotions[:limit]


def test_the_filter_of_a_request_and_the_stock_hold_for_promotions(shop: Any, query_of: Any) -> None:
    snapshot = shop(Promotion("far", "price >= 95", share=0.4), in_stock=np.arange(N_ITEMS) != 96)
    found = answer(snapshot, query_of, limit=10, filter="price != 97 AND price != 95")
    assert found.slate.items.tolist() == [0, 1, 2, 3, 4, 5, 98, 99, 100, 101]
    assert answer(snapshot, query_of, limit=10, filter="price < 95").slate.items.tolist() == list(range(10))


def test_only_what_the_scope_allows_is_promoted(world: Any, query_of: Any) -> None:
    config = ServingConfig(
        "home", (Depth("popular", 4),), scope=Scope.NEW, promotions=(Promotion("p", "price >= 6", slots=(1,)),)
    )
    events = [(0, 6, 3), (0, 7, 3), *[(user, item, 3) for user in (1, 2) for item in range(9)]]
    snapshot = world(events, n_users=3, n_items=9, prices=np.arange(9), configs={"home": config})
    items = snapshot.pipeline.recommend(query_of(snapshot, "u00", limit=3)).slate.items.tolist()
    assert items == [8, 0, 1]


def test_what_is_not_promoted_stands_where_it_would(shop: Any, query_of: Any) -> None:
    # Thirty candidates make four screens with what is promoted; the rest of what passes fills the list with the others.
    plain = answer(shop(), query_of, limit=N_ITEMS).slate.items
    found = answer(shop(Promotion("far", FAR, slots=(1,))), query_of, limit=N_ITEMS)
    brought = [item for item, name in zip(found.slate.items.tolist(), found.promotions, strict=True) if name]
    assert brought == [120, 121, 122, 123]
    others = found.slate.items[~np.isin(found.slate.items, brought)]
    assert others.tolist() == plain[~np.isin(plain, brought)].tolist()


def test_a_batch_answers_as_one_by_one(shop: Any, query_of: Any) -> None:
    snapshot = shop(Promotion("far", FAR, share=0.3))
    queries = [query_of(snapshot, user, limit=12) for user in ("", "u01", "u30")]
    together = snapshot.pipeline.recommend_many(queries)
    for query, found in zip(queries, together, strict=True):
        alone = snapshot.pipeline.recommend(query)
        assert alone.slate.items.tolist() == found.slate.items.tolist()
        assert alone.slate.scores.tolist() == found.slate.scores.tolist()


def test_promotions_that_the_order_leaves_out_are_not_made(shop: Any, query_of: Any) -> None:
    snapshot = shop(Promotion("far", FAR, share=0.3), policies=("caps",))
    assert answer(snapshot, query_of, limit=10).slate.items.tolist() == list(range(10))


def test_a_filter_that_does_not_fit_is_refused_before_anybody_asks(shop: Any) -> None:
    with pytest.raises(FilterError, match='unknown field "colour" at position 10'):
        shop(Promotion("odd", "price > 3 colour = 2", slots=(1,)))


def test_the_account_counts_what_each_rule_forbids(shop: Any, query_of: Any) -> None:
    snapshot = shop(in_stock=np.arange(N_ITEMS) >= 5)
    ask = Ask(at=1_500_000_000, limit=10, exclude_item_ids=("i00", "i07"), filter="price < 100", account=True)
    rules = [(rule.name, rule.n_removed) for rule in resolve(ask, snapshot).rules]
    # Item 0 is out of stock already.
    assert rules == [("stock", 5), ("exclude", 1), ("filter", 50)]
    assert resolve(replace(ask, account=False), snapshot).rules == ()


@pytest.mark.parametrize("n_items", [1, 7, 8, 9, 64, 1001])
def test_bits_are_read_without_unpacking(n_items: int) -> None:
    mask = np.random.default_rng(n_items).random(n_items) < 0.5
    items = frozen(np.random.default_rng(1).permutation(n_items), np.int32)
    assert bits_at(np.packbits(mask), items).tolist() == mask[items].tolist()
