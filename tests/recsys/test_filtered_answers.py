"""Answers under a filter: everything returned passes it, or is said not to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.ask import Ask, resolve
from recsys.errors import FilterError
from recsys.model import Snapshot
from recsys.query import Recommendation

N_ITEMS = 16
CONFIGS = ("home", "discover", "buy-again", "similar")


@pytest.fixture(scope="module")
def shop(board: Snapshot) -> Snapshot:
    """The checkerboard, every item with a price: that of item 3 is 3."""
    catalogue = replace(board.catalogue, prices=np.arange(N_ITEMS, dtype=np.float32))
    model = replace(board.model, context=replace(board.model.context, catalogue=catalogue))
    return Snapshot.of(
        model,
        rankers=board.rankers,
        users=board.users,
        histories=board.histories,
        configs=board.configs,
        last_event_at=board.last_event_at,
    )


def asked(
    shop: Snapshot, text: str, config: str = "home", user_id: str = "u00", *, limit: int = 10, strict: bool = True
) -> tuple[Ask, Recommendation]:
    ask = Ask(
        at=shop.last_event_at + 1,
        user_id=user_id,
        serving_config=config,
        limit=limit,
        context_item_ids=("i00",) if config == "similar" else (),
        filter=text,
        strict_filtering=strict,
    )
    return ask, shop.recommend(ask)


def shown(recommendation: Recommendation) -> list[int]:
    return recommendation.slate.items.tolist()


numbers = st.integers(-1, N_ITEMS)
comparisons = st.builds("price {} {}".format, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), numbers)
words = st.sampled_from(["item", "3", "title:1*", "in_stock = true", "brand:*", "NOT price = 4", "-item"])
random_filters = st.recursive(
    comparisons | words,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner)
        | st.builds("NOT ({})".format, inner)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=random_filters,
    config=st.sampled_from(CONFIGS),
    user_id=st.sampled_from(["u00", "u07", "", "nobody"]),
    limit=st.integers(1, N_ITEMS),
    strict=st.booleans(),
)
def test_whatever_is_returned_passes_the_filter_or_stands_behind_what_does(
    shop: Snapshot, text: str, config: str, user_id: str, limit: int, strict: bool
) -> None:
    passing = shop.filters.mask(text)
    ask, found = asked(shop, text, config, user_id, limit=limit, strict=strict)
    items = shown(found)
    passes = [bool(passing[item]) for item in items]
    unfiltered = resolve(replace(ask, filter=""), shop).query.allowed
    assert len(set(items)) == len(items) <= limit
    assert all(unfiltered[item] for item in items)
    assert passes == sorted(passes, reverse=True)
    if strict:
        assert all(passes)
    if config in ("home", "discover") and all(passes):
        # What passes and is not shown would have found room.
        assert len(items) == limit or not strict or set(items) >= reachable(shop, ask, passing)


def reachable(shop: Snapshot, ask: Ask, passing: np.ndarray) -> set[int]:
    """What popularity alone can offer: what passes, and is new where only new items are filled in."""
    query = resolve(ask, shop).query
    return set(np.flatnonzero(query.allowed & passing).tolist()) - set(query.owned.tolist())


def test_a_strict_filter_still_fills_the_page(shop: Snapshot) -> None:
    items = shown(asked(shop, "price >= 6", user_id="", limit=10)[1])
    assert sorted(items) == list(range(6, 16))


def test_without_strictness_popular_items_fill_the_page_behind_what_passes(shop: Snapshot) -> None:
    _, found = asked(shop, "price = 3 OR price = 9", user_id="", limit=6, strict=False)
    items = shown(found)
    assert set(items[:2]) == {3, 9}
    popular = [item for item in shop.model.popular.ranking.tolist() if item not in (3, 9)]
    assert set(items[2:]) == set(popular[:4])
    assert found.warnings == ("only 2 items pass the filter: the last 4 of 6 are popular and ignore it",)


def test_a_page_that_the_filter_fills_is_the_same_without_strictness(shop: Snapshot) -> None:
    strict, loose = (asked(shop, "price >= 4", limit=8, strict=strict)[1] for strict in (True, False))
    assert shown(strict) == shown(loose)
    assert len(shown(strict)) == 8
    assert strict.warnings == loose.warnings == ()


def test_no_filter_is_the_same_as_one_of_white_space(shop: Snapshot) -> None:
    none, empty = (asked(shop, text, strict=False)[1] for text in ("", " \n"))
    assert shown(none) == shown(empty)
    assert empty.warnings == ()


@pytest.mark.parametrize("config", ["home", "discover"])
def test_what_fills_a_page_keeps_every_other_rule(shop: Snapshot, config: str) -> None:
    in_stock = np.arange(N_ITEMS) != 5
    catalogue = replace(shop.catalogue, in_stock=in_stock)
    context = replace(shop.model.context, catalogue=catalogue)
    sold_out = Snapshot.of(
        replace(shop.model, context=context),
        rankers=shop.rankers,
        users=shop.users,
        histories=shop.histories,
        configs=shop.configs,
        last_event_at=shop.last_event_at,
    )
    ask = Ask(
        at=shop.last_event_at + 1,
        user_id="u00",
        serving_config=config,
        limit=N_ITEMS,
        exclude_item_ids=("i07",),
        filter="price = 3",
        strict_filtering=False,
    )
    owned = set(resolve(ask, sold_out).query.owned.tolist())
    items = set(shown(sold_out.recommend(ask)))
    everything = set(range(N_ITEMS)) - {5, 7}
    assert owned
    assert items == (everything - owned if config == "discover" else everything)


@pytest.mark.parametrize(
    ("text", "config", "warning"),
    [
        ("price > 99", "home", "no item of the catalogue passes the filter"),
        ("price = 0", "similar", "no item that passes the filter may be shown: stock, exclusions or similar forbid it"),
    ],
)
def test_nothing_that_passes_is_an_empty_list_with_a_reason(
    shop: Snapshot, text: str, config: str, warning: str
) -> None:
    ask, found = asked(shop, text, config)
    assert shown(found) == []
    assert resolve(ask, shop).warnings == (warning,)


def test_a_filter_that_does_not_fit_is_refused(shop: Snapshot) -> None:
    with pytest.raises(FilterError, match='unknown field "colour" at position 13'):
        asked(shop, "price < 3 OR colour = red")


def test_a_snapshot_answers_the_same_after_it_was_filtered(shop: Snapshot) -> None:
    before = shown(asked(shop, "")[1])
    asked(shop, "price < 3", strict=False)
    assert shown(asked(shop, "")[1]) == before
