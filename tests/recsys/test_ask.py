from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.ask import Ask, resolve
from recsys.errors import InvalidRequest, NotFound
from recsys.model import Snapshot
from recsys.query import Query

DAY = 86_400


@pytest.fixture(scope="module")
def shop(world: Callable[..., Snapshot]) -> Snapshot:
    """Six items, 5 out of stock. u00 bought 1 and 5 and looked at 2; u01 bought 3."""
    return world(
        [(0, 1, 3), (0, 5, 2), (0, 2, 1, 0.5, False), (1, 3, 1)],
        n_users=2,
        n_items=6,
        in_stock=[1, 1, 1, 1, 1, 0],
    )


def allowed(query: Query) -> list[int]:
    return np.flatnonzero(query.allowed).tolist()


@pytest.mark.parametrize(
    ("config", "expected"),
    # Looking at an item is not having it.
    [("home", [0, 1, 2, 3, 4]), ("discover", [0, 2, 3, 4]), ("buy-again", [1])],
)
def test_stock_and_ownership_decide_what_may_be_shown(
    shop: Snapshot, now: int, config: str, expected: list[int]
) -> None:
    assert allowed(resolve(Ask(at=now, user_id="u00", serving_config=config), shop).query) == expected


@pytest.mark.parametrize(
    ("config", "expected"), [("home", [0, 1, 2, 3, 4, 5]), ("discover", [0, 2, 3, 4]), ("buy-again", [1, 5])]
)
def test_out_of_stock_items_come_back_on_request_but_no_other_rule_falls(
    shop: Snapshot, now: int, config: str, expected: list[int]
) -> None:
    ask = Ask(at=now, user_id="u00", serving_config=config, include_out_of_stock=True)
    assert allowed(resolve(ask, shop).query) == expected


def test_an_unknown_user_owns_nothing_and_is_no_error(shop: Snapshot, now: int) -> None:
    found = resolve(Ask(at=now, user_id="stranger", serving_config="buy-again"), shop)
    assert found.query.user is None
    assert found.query.user_id == "stranger"
    assert len(found.query.history) == 0
    assert allowed(found.query) == []
    assert found.missing_ids == ()


def test_excluded_items_are_never_allowed_and_unknown_ids_are_reported(shop: Snapshot, now: int) -> None:
    ask = Ask(at=now, exclude_item_ids=("i00", "ghost", "i04"), context_item_ids=("i01", "phantom"))
    found = resolve(ask, shop)
    assert allowed(found.query) == [1, 2, 3]
    assert found.query.context_items.tolist() == [1]
    assert found.missing_ids == ("ghost", "phantom")


def test_an_id_named_twice_counts_once(shop: Snapshot, now: int) -> None:
    found = resolve(Ask(at=now, context_item_ids=("i03", "i01", "i03", "ghost", "ghost")), shop)
    assert found.query.context_items.tolist() == [3, 1]
    assert found.missing_ids == ("ghost",)


def test_context_items_may_still_be_shown_unless_the_answer_is_about_them(shop: Snapshot, now: int) -> None:
    home = resolve(Ask(at=now, context_item_ids=("i00",)), shop).query
    similar = resolve(Ask(at=now, context_item_ids=("i00",), serving_config="similar"), shop).query
    assert home.allowed[0]
    assert allowed(similar) == [1, 2, 3, 4]


def test_the_history_ends_where_the_question_is_asked(shop: Snapshot, now: int) -> None:
    query = resolve(Ask(at=now - 2 * DAY, user_id="u00", serving_config="discover"), shop).query
    assert query.history.items.tolist() == [1]
    assert query.owned.tolist() == [1]
    # What is bought only later may be discovered; 5 is out of stock in any case.
    assert resolve(Ask(at=now - 3 * DAY, user_id="u00", serving_config="discover"), shop).query.allowed[1]


@pytest.mark.parametrize(("seconds", "warned"), [(-1, True), (0, True), (1, False)])
def test_asking_about_a_time_the_models_have_seen_is_warned_about(shop: Snapshot, seconds: int, warned: bool) -> None:
    warnings = resolve(Ask(at=shop.last_event_at + seconds), shop).warnings
    assert bool(warnings) == warned
    assert all("last event" in warning for warning in warnings)


@pytest.mark.parametrize(("limit", "expected"), [(0, 20), (1, 1), (37, 37)])
def test_no_limit_means_the_page_size_of_the_serving_config(
    shop: Snapshot, now: int, limit: int, expected: int
) -> None:
    assert resolve(Ask(at=now, limit=limit), shop).query.limit == expected


def test_an_unknown_serving_config_is_not_found(shop: Snapshot, now: int) -> None:
    with pytest.raises(NotFound) as raised:
        resolve(Ask(at=now, serving_config="atHome"), shop)
    assert (raised.value.kind, raised.value.name) == ("serving_config", "atHome")


def test_items_similar_to_an_unknown_item_are_not_found(shop: Snapshot, now: int) -> None:
    with pytest.raises(NotFound) as raised:
        resolve(Ask(at=now, serving_config="similar", context_item_ids=("i00", "ghost")), shop)
    assert (raised.value.kind, raised.value.name) == ("item", "ghost")


def test_items_similar_to_nothing_are_an_invalid_request(shop: Snapshot, now: int) -> None:
    with pytest.raises(InvalidRequest) as raised:
        resolve(Ask(at=now, serving_config="similar"), shop)
    assert [violation.field for violation in raised.value.violations] == ["context_item_ids"]


def test_resolving_changes_nothing_in_the_snapshot(shop: Snapshot, now: int) -> None:
    resolve(Ask(at=now, user_id="u00", serving_config="discover", exclude_item_ids=("i00",)), shop)
    assert shop.catalogue.in_stock.tolist() == [True, True, True, True, True, False]
    assert not resolve(Ask(at=now), shop).query.allowed.flags.writeable
