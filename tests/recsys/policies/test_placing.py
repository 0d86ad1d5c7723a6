"""Caps, promotions and freshness on slates so small that it can be done on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.context import Context
from recsys.model import Snapshot
from recsys.policies.caps import Caps
from recsys.policies.chain import applied, steps_of
from recsys.policies.freshness import Freshness, age_days
from recsys.policies.promotions import Promotions
from recsys.policies.spread import Spread
from recsys.policy_settings import CapSettings, FreshnessSettings, Promotion
from recsys.query import Query, Slate
from recsys.serving import ServingConfig

World = Callable[..., Snapshot]
N_ITEMS = 40
DAY = 86_400


def slate_of(items: Sequence[int], scores: Sequence[float] | None = None) -> Slate:
    falling = np.linspace(2, -2, len(items)) if scores is None else scores
    return Slate(frozen(list(items), np.int32), frozen(falling, np.float32))


def bits_of(items: Sequence[int]) -> np.ndarray:
    mask = np.zeros(N_ITEMS, bool)
    mask[list(items)] = True
    return np.packbits(mask)


@pytest.fixture(scope="module")
def plain(world: World) -> Context:
    return world([(0, 0, 1)], n_users=1, n_items=N_ITEMS).model.context


@pytest.fixture
def query(world: World, query_of: Callable[..., Query]) -> Query:
    return query_of(world([(0, 0, 1)], n_users=1, n_items=N_ITEMS), "u00", limit=20)


def shop_with(context: Context, categories: Sequence[str], brands: Sequence[str]) -> Context:
    """``context`` whose first items have these category paths and brands, coded as a rebuild codes them."""
    depth = max([path.count(" > ") + 1 for path in categories], default=0)
    prefixes = [
        [" > ".join(path.split(" > ")[:level]) if path.count(" > ") + 1 >= level else "" for path in categories]
        for level in range(1, depth + 1)
    ]
    families = {f"category_{level}": texts for level, texts in enumerate(prefixes, 1)} | {"brand": list(brands)}
    codes = {}
    for name, texts in families.items():
        labels = sorted(set(texts) - {""})
        numbers = [labels.index(text) if text else -1 for text in texts]
        codes[name] = frozen([*numbers, *[-1] * (N_ITEMS - len(numbers))], np.int32)
    return replace(context, catalogue=replace(context.catalogue, codes=codes))


def test_what_exceeds_a_cap_moves_to_the_next_screen(plain: Context, query: Query) -> None:
    # 0 to 5 are tea, all others have no category.
    context = shop_with(plain, ["Food > Tea"] * 6, [])
    found = Caps(CapSettings(category=2)).select(query, slate_of(range(24)), context).tolist()
    assert found[:10] == [0, 1, 6, 7, 8, 9, 10, 11, 12, 13]
    assert found[10:20] == [2, 3, 14, 15, 16, 17, 18, 19, 20, 21]
    assert found[20:] == [4, 5, 22, 23]


def test_category_and_brand_are_capped_together(plain: Context, query: Query) -> None:
    # Category: 0, 1, 2 are one. Brand: 2, 3, 4 are one.
    context = shop_with(plain, ["A", "A", "A"], ["", "", "X", "X", "X"])
    found = Caps(CapSettings(category=2, brand=1)).select(query, slate_of(range(14)), context).tolist()
    # 2 exceeds the category, so that 3 is the first of its brand.
    assert found[:10] == [0, 1, 3, 5, 6, 7, 8, 9, 10, 11]
    assert found[10:] == [2, 12, 13, 4]


@pytest.mark.parametrize(("level", "first"), [(0, [0, 1, 2, 3]), (2, [0, 1, 3, 4]), (1, [0, 1, 4, 5])])
def test_the_level_says_what_a_category_is(plain: Context, query: Query, level: int, first: list[int]) -> None:
    paths = ["Food > Tea > Green", "Food > Tea > Black", "Food > Tea > White", "Food > Bread", "Toys"]
    found = Caps(CapSettings(category=2, level=level)).select(query, slate_of(range(20)), shop_with(plain, paths, []))
    assert found[:4].tolist() == first


def test_when_nothing_else_is_left_the_cap_gives_way(plain: Context, query: Query) -> None:
    context = shop_with(plain, ["Tea"] * 12, [])
    found = Caps(CapSettings(category=1)).select(query, slate_of(range(12)), context).tolist()
    assert found == list(range(12))


def promoted(query: Query, slate: Slate, promotion: Promotion, passing: Sequence[int], n_spare: int = 0) -> list[int]:
    asked = replace(query, promoted=(bits_of(passing),))
    return Promotions((promotion,), n_spare).placed(asked, slate)[0].tolist()


def test_a_slot_holds_the_best_that_passes(query: Query) -> None:
    promotion = Promotion("own", "x", slots=(3, 7))
    found = promoted(query, slate_of(range(24)), promotion, [15, 17, 20])
    assert found[:10] == [0, 1, 15, 2, 3, 4, 17, 5, 6, 7]
    # On the second screen one is left, for the first of the two slots.
    assert found[10:20] == [8, 9, 20, 10, 11, 12, 13, 14, 16, 18]


def test_what_stands_in_front_of_a_slot_by_itself_is_not_moved_back(query: Query) -> None:
    found = promoted(query, slate_of(range(12)), Promotion("own", "x", slots=(5,)), [1, 10])
    assert found == [0, 1, 2, 3, 10, 4, 5, 6, 7, 8, 9, 11]


def test_a_share_counts_what_is_there_and_brings_the_rest_in_at_the_end(query: Query) -> None:
    found = promoted(query, slate_of(range(24)), Promotion("own", "x", share=0.3), [4, 15, 16, 18])
    assert found[:10] == [0, 1, 2, 3, 4, 5, 6, 7, 15, 16]
    assert found[10:20] == [8, 9, 10, 11, 12, 13, 14, 17, 18, 19]


def test_the_best_by_the_ranker_come_first_whatever_their_place(query: Query) -> None:
    # Another policy has put the better of the two further back.
    scores = [*np.linspace(9, 1, 11), 0.1, 0.5]
    found = promoted(query, slate_of(range(13), scores), Promotion("own", "x", slots=(1,)), [11, 12])
    assert found[:2] == [12, 0]


def test_what_is_spare_comes_in_only_by_promotion(query: Query) -> None:
    slate = slate_of(range(14))  # the last two are in no list by themselves
    assert promoted(query, slate, Promotion("own", "x", slots=(2,)), [13], n_spare=2) == [0, 13, *range(1, 12)]


def test_a_short_list_gets_its_share_behind_it_and_no_screen_of_its_own(query: Query) -> None:
    promotion = Promotion("own", "x", share=0.2)
    assert promoted(query, slate_of(range(6)), promotion, [3, 4, 5], n_spare=3) == [0, 1, 2, 3, 4]
    assert promoted(query, slate_of(range(13)), promotion, [10, 11, 12], n_spare=3) == [
        *range(8),
        10,
        11,
        8,
        9,
        12,
    ]


def test_two_promotions_share_a_screen(query: Query) -> None:
    one, other = Promotion("one", "x", share=0.2), Promotion("other", "y", slots=(10,))
    asked = replace(query, promoted=(bits_of([20, 21, 22]), bits_of([23])))
    positions, names = Promotions((one, other)).placed(asked, slate_of(range(24)))
    assert positions[:10].tolist() == [0, 1, 2, 3, 4, 5, 6, 20, 21, 23]
    assert names == {20: "one", 21: "one", 22: "one", 23: "other"}


def test_a_promotion_is_named_where_it_brought_an_item_further_up(plain: Context, query: Query) -> None:
    config = ServingConfig("odd", (), promotions=(Promotion("own", "x", share=0.2),))
    asked = replace(query, promoted=(bits_of([3, 18]),), account=20)
    found = applied(steps_of(config, trained=True), asked, slate_of(range(24)), plain)
    assert found.positions[:10].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 18]
    assert dict(found.promoted) == {18: "own"}
    assert [(step.name, step.n_moved) for step in found.steps] == [("promotions", 10)]


def test_the_last_policy_has_the_last_word(plain: Context, query: Query) -> None:
    # 20 to 23 are tea; two of them are promoted, one is allowed.
    context = shop_with(plain, [""] * 20 + ["Tea"] * 4, [])
    config = ServingConfig("odd", (), caps=CapSettings(category=1), promotions=(Promotion("own", "x", share=0.2),))
    asked = replace(query, promoted=(bits_of([20, 21]),))
    for policies, n_tea in ((("caps", "promotions"), 2), (("promotions", "caps"), 1)):
        steps = steps_of(replace(config, policies=policies), trained=True)
        first = applied(steps, asked, slate_of(range(24)), context).positions[:10]
        assert int((first >= 20).sum()) == n_tea


def test_a_new_item_gains_the_weight_and_after_a_half_life_half_of_it(world: World) -> None:
    now = 1_500_000_000
    created = [now, now - 14 * DAY, now - 28 * DAY, now + DAY, 0, 0]
    # Item 4 was taken 14 days ago for the first time, item 5 never: its age is not known.
    context = world([(0, 4, 14), (0, 4, 2)], n_users=1, n_items=6, created_at=created).model.context
    items = frozen(range(6), np.int32)
    assert age_days(items, context, now) == pytest.approx([0, 14, 28, 0, 14, np.nan], abs=1e-4, nan_ok=True)
    assert Freshness(0.8, 14).bonus(items, context, now) == pytest.approx([0.8, 0.4, 0.2, 0.8, 0.4, 0], abs=1e-5)


@pytest.mark.parametrize(("weight", "last"), [(0.6, 10), (0.8, 9)])
def test_freshness_is_weighed_against_the_odds(world: World, query: Query, weight: float, last: int) -> None:
    # Item 10 is new and worth 0.7 less than item 9.
    created = [query.at if item == 10 else 1 for item in range(N_ITEMS)]
    context = world([(0, 0, 1)], n_users=1, n_items=N_ITEMS, created_at=created).model.context
    slate = slate_of(range(11), [5, 4, 4, 4, 4, 4, 4, 4, 4, 1.7, 1.0])
    assert Freshness(weight, 30).select(replace(query, limit=10), slate, context)[-1] == last


def test_freshness_and_spread_add_up(world: World, query: Query) -> None:
    context = world([(0, 9, 100)], n_users=1, n_items=N_ITEMS, created_at=[query.at] * N_ITEMS).model.context
    slate = slate_of([9, 3], [1.0, 0.0])
    plain, fresh = Spread(0.5), Spread(0.5, freshness=Freshness(0.7, 30))
    gained = fresh.discounted(query, slate, context) - plain.discounted(query, slate, context)
    assert gained == pytest.approx([0.7, 0.7])


def test_the_account_of_policies_names_them_in_order_and_changes_nothing(board: Snapshot, query: Query) -> None:
    context = board.model.context
    config = ServingConfig(
        "odd",
        (),
        diversity=0.8,
        spread=0.7,
        freshness=FreshnessSettings(0.5),
        caps=CapSettings(category=3),
        policies=("spread", "freshness", "diversity", "caps"),
    )
    # Item 12 is the most popular; those after it are worth next to nothing less.
    slate = slate_of([0, 2, 3, 5, 6, 7, 8, 9, 12, 4, 1, 10, 11, 13, 14, 15], [1.0] * 8 + [0.5] * 4 + [0.0] * 4)
    steps = steps_of(config, trained=True)
    silent, told = (applied(steps, replace(query, account=n), slate, context) for n in (0, 16))
    assert silent.positions.tolist() == told.positions.tolist()
    assert silent.steps == ()
    assert [step.name for step in told.steps] == ["spread", "freshness", "diversity", "caps"]
    spread = Spread(0.7).select(query, slate, context)
    assert told.steps[0].n_moved == int((spread != np.arange(16)).sum()) > 0
    # Nothing has a category here.
    assert told.steps[3].n_moved == 0
