"""Which items there are: created, deleted, sold out, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.errors import NotFound
from recsys.overlay.overlay import Basis
from recsys.overlay.rows import is_restocked
from recsys.stores.records import LiveItem

from .changed_shop import NEW, changed_things, changes
from .shop import NOW, Thing, built, live, things


def test_deleted_items_are_in_no_answer_and_named_as_missing() -> None:
    base = Basis(built(things()))
    gone = [LiveItem("i00", {}, 5, is_deleted=True), live(NEW[0], 3, is_deleted=True)]
    now = base.over(gone, {}).snapshot
    for out_of_stock_too in (False, True):
        ask = Ask(at=NOW, user_id="u01", limit=200, include_out_of_stock=out_of_stock_too)
        answer = now.answer(ask)
        assert len(answer) == 23
        assert not {"i00", "x0"} & set(answer)
    resolved = resolve(Ask(at=NOW, user_id="u01", context_item_ids=("i00", "i01", "x0")), now)
    assert resolved.missing_ids == ("i00", "x0")
    assert resolved.query.context_items.tolist() == [1]
    with pytest.raises(NotFound):
        resolve(Ask(at=NOW, serving_config="similar", context_item_ids=("i00",)), now)


def test_what_a_rebuild_was_told_is_gone_comes_back_by_a_change_of_its_own() -> None:
    shop = built(things())
    catalogue = replace(shop.catalogue, gone=frozen([0, 1], np.int32))
    context = replace(shop.model.context, catalogue=catalogue)
    base = replace(shop, model=replace(shop.model, context=context), pipeline=replace(shop.pipeline, context=context))
    everything = Ask(at=NOW, limit=200, include_out_of_stock=True)
    assert not {"i00", "i01"} & set(base.answer(everything))
    now = Basis(base).over([live(things()[1], 3), LiveItem("i05", {"price": 2.0}, 4)], {}).snapshot
    assert "i00" not in now.answer(everything)
    assert {"i01", "i05"} <= set(now.answer(everything))


def test_what_the_snapshot_has_as_taken_out_stays_out_until_it_is_created_again() -> None:
    whole = built(things())
    context = whole.model.context
    without = replace(context, catalogue=replace(context.catalogue, gone=np.array([3, 4], np.int32)))
    base = Basis(replace(whole, model=replace(whole.model, context=without)))
    now = base.over([live(things()[4], 1), LiveItem("i09", {}, 2, is_deleted=True)], {}).snapshot
    assert now.catalogue.gone.tolist() == [3, 9]


@pytest.mark.parametrize(
    ("fields", "is_sold"),
    [
        ({"stock": 0}, False),
        ({"stock": 3}, True),
        ({"stock": 0, "in_stock": True}, False),
        ({"stock": None, "in_stock": False}, False),
        ({"stock": None}, True),
        ({"price": 2.0}, True),
    ],
)
def test_stock_says_what_can_be_sold(fields: dict[str, Any], is_sold: bool) -> None:
    now = Basis(built(things())).over([LiveItem("i04", fields, 1)], {}).snapshot
    assert bool(now.catalogue.in_stock[4]) is is_sold
    assert ("i04" in now.answer(Ask(at=NOW, limit=200))) is is_sold


def test_what_was_never_created_is_no_item_yet() -> None:
    base = Basis(built(things()))
    held = LiveItem("later", {"stock": 3}, 1)
    assert base.over([held], {}).snapshot is base.snapshot
    assert base.over([], {}).snapshot is base.snapshot


def test_what_a_rebuild_has_taken_in_costs_nothing_any_more() -> None:
    rebuilt = built([*changed_things(), *NEW])
    catalogue = replace(rebuilt.catalogue, gone=frozen([2], np.int32))
    context = replace(rebuilt.model.context, catalogue=catalogue)
    base = Basis(replace(rebuilt, model=replace(rebuilt.model, context=context)))
    taken_in = [*changes(), LiveItem("i02", {}, 9, is_deleted=True), LiveItem("i04", {"price": 5.0, "stock": 3}, 8)]
    overlay = base.over(taken_in, {})
    assert overlay.snapshot is base.snapshot
    assert overlay.changes is None


NEWS: list[dict[str, Any]] = [
    {"title": "Another"},
    {"category": "Tools"},
    {"brand": None},
    {"price": 9.5},
    {"price": None},
    {"stock": 0},
    {"in_stock": False},
    {"created_at": NOW},
    {"attributes.colour": "blue"},
    {"attributes.size": None},
    {"attributes.watts": 7.0},
    {"attributes.tags": ("Vegan", "new")},
    # Spelled alike, and no list.
    {"attributes.tags": "Vegan"},
]


@pytest.mark.parametrize("fields", NEWS, ids=[str(fields) for fields in NEWS])
def test_whatever_differs_from_the_snapshot_is_news_of_that_item_alone(fields: dict[str, Any]) -> None:
    base = Basis(built(things()))
    same = [live(things()[place], place, is_created=False, created_us=0) for place in (9, 10, 11)]
    changed = replace(same[1], fields={**same[1].fields, **fields}, version=20)
    overlay = base.over([same[0], changed, same[2]], {})
    assert overlay.changes is not None
    assert [row.item.item_id for row in overlay.changes.rows] == ["i10"]
    assert base.over([LiveItem("i10", {}, 21, is_deleted=True)], {}).snapshot.catalogue.gone.tolist() == [10]


def test_an_item_laid_over_that_says_what_the_snapshot_says_changes_no_byte() -> None:
    """As in a worker that saw another price before, beside one that was started since."""
    base = Basis(built(things()))
    same = [live(things()[place], place, is_created=False, created_us=0) for place in (3, 8, 19)]
    other = [replace(item, fields={**item.fields, "price": 77.0}) for item in same]
    now = base.restocked(base.over(other, {}), same)
    assert now.changes is not None
    for user_id in ("u00", "u01", "u07", ""):
        for config in ("home", "discover", "buy-again"):
            ask = Ask(at=NOW, user_id=user_id, serving_config=config, limit=50)
            one, two = now.snapshot.recommend(ask).slate, base.snapshot.recommend(ask).slate
            assert (one.items.tobytes(), one.scores.tobytes()) == (two.items.tobytes(), two.scores.tobytes())


def test_numbers_go_by_creation_so_that_later_items_and_changes_move_none() -> None:
    base = Basis(built(things()))
    first = [live(thing, version) for thing, version in zip(NEW, (9, 7, 8), strict=True)]
    one = base.over(first, {}).snapshot.catalogue.items
    assert one.ids([24, 25, 26]) == ["x1", "x2", "x0"]
    later = [replace(first[0], is_deleted=True, version=30), *first[1:], live(Thing("a", "A"), 31)]
    for order in (later, later[::-1]):
        other = base.over(order, {}).snapshot.catalogue.items
        assert other.ids([24, 25, 26, 27]) == ["x1", "x2", "x0", "a"]


@pytest.mark.parametrize(
    ("changed", "is_stock"),
    [
        ({"fields": {"title": "A", "price": 2.0, "stock": 1}}, True),
        ({"fields": {"title": "A"}}, True),
        ({"fields": {"title": "B", "price": 1.0}}, False),
        ({"fields": {"title": None, "price": 1.0}}, False),
        ({"is_deleted": True}, False),
        ({"created_us": 5}, False),
    ],
)
def test_only_price_and_stock_are_inventory(changed: dict[str, Any], is_stock: bool) -> None:
    before = LiveItem("a", {"title": "A", "price": 1.0}, 1)
    assert is_restocked(before, replace(before, version=2, **changed)) is is_stock
    assert not is_restocked(None, before)
