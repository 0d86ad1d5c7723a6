"""What ``recsys.stores.protocols`` promises of items, on every engine."""

from __future__ import annotations

from recsys.stores.protocols import State
from recsys.stores.records import (
    Inventory,
    ItemChange,
)

from .contract_records import DAY_US, NOW, item


def test_nothing_is_known_of_an_item_that_was_never_changed(state: State) -> None:
    assert state.items.get("tea") is None
    assert state.items.version() == 0
    assert state.items.changed_since(0) == ([], 0)


def test_fields_of_items_that_the_snapshot_has_are_set_and_the_others_are_missing(state: State) -> None:
    changes = [ItemChange("tea", {"title": "Tee 茶", "price": 2.5, "attributes.green": True}), ItemChange("soap", {})]
    assert state.items.upsert(changes, existing={"tea"}, create=False, now_us=NOW) == [True, False]
    assert item(state).fields == {"title": "Tee 茶", "price": 2.5, "attributes.green": True}
    assert not item(state).is_created
    assert state.items.get("soap") is None


def test_lists_of_items_come_back_as_they_were_set(state: State) -> None:
    fields = {"attributes.tags": ("vegan", "茶"), "attributes.one": ("x",), "attributes.none": ()}
    state.items.upsert([ItemChange("tea", fields)], existing={"tea"}, create=False, now_us=NOW)
    assert item(state).fields == state.items.changed_since(0)[0][0].fields == fields
    state.items.upsert([ItemChange("tea", {"attributes.one": "y"})], existing={"tea"}, create=False, now_us=NOW)
    assert item(state).fields == {**fields, "attributes.one": "y"}


def test_a_later_change_adds_to_an_earlier_one_and_none_clears(state: State) -> None:
    first, second = ItemChange("tea", {"title": "Tea", "brand": "Leaf"}), ItemChange("tea", {"brand": None, "stock": 3})
    assert state.items.upsert([first, second], existing={"tea"}, create=False, now_us=NOW) == [True, True]
    assert item(state).fields == {"title": "Tea", "brand": None, "stock": 3}


def test_a_created_item_is_one_although_no_snapshot_has_it(state: State) -> None:
    assert state.items.upsert([ItemChange("new", {"title": "N"})], existing=(), create=True, now_us=NOW) == [True]
    assert item(state, "new").is_created
    assert state.items.upsert([ItemChange("new", {"brand": "B"})], existing=(), create=False, now_us=NOW) == [True]
    assert item(state, "new").fields == {"title": "N", "brand": "B"}
    assert item(state, "new").is_created


def test_a_deleted_item_is_missing_until_it_is_created_again_and_then_begins_anew(state: State) -> None:
    state.items.upsert([ItemChange("tea", {"title": "Old"})], existing={"tea"}, create=False, now_us=NOW)
    assert state.items.delete(["tea", "soap", "tea"], existing={"tea"}) == [True, False, False]
    assert item(state).is_deleted
    assert item(state).fields == {}
    change = ItemChange("tea", {"brand": "New"})
    assert state.items.upsert([change], existing={"tea"}, create=False, now_us=NOW) == [False]
    assert state.items.upsert([change], existing={"tea"}, create=True, now_us=NOW) == [True]
    assert item(state).fields == {"brand": "New"}
    assert not item(state).is_deleted


def test_versions_grow_with_changes_and_name_the_items_that_changed(state: State) -> None:
    assert state.items.upsert([ItemChange(one, {}) for one in "ba"], existing="ab", create=False, now_us=NOW)
    first = state.items.version()
    assert first > 0
    assert [one.item_id for one in state.items.changed_since(0)[0]] == ["a", "b"]
    state.items.set_inventory(Inventory("b", NOW, stock=1), exists=True, now_us=NOW)
    changed, second = state.items.changed_since(first)
    assert second == state.items.version() > first
    assert [(one.item_id, one.version) for one in changed] == [("b", second)]
    state.items.delete(["a"], existing="ab")
    changed, third = state.items.changed_since(second)
    assert third > second
    assert [(one.item_id, one.is_deleted) for one in changed] == [("a", True)]
    assert state.items.changed_since(third) == ([], third)


def test_what_changes_nothing_leaves_the_version(state: State) -> None:
    state.items.set_inventory(Inventory("tea", NOW, stock=1), exists=True, now_us=NOW)
    version = state.items.version()
    state.items.set_inventory(Inventory("tea", NOW - 1, stock=2), exists=True, now_us=NOW)
    state.items.set_inventory(Inventory("new", NOW, stock=2), exists=False, now_us=NOW)
    state.items.upsert([ItemChange("none", {})], existing=(), create=False, now_us=NOW)
    state.items.delete(["none"], existing=())
    assert state.items.version() == version
    assert [one.item_id for one in state.items.changed_since(0)[0]] == ["tea"]
    assert state.items.get("new") is None


def test_older_inventory_loses_stock_and_price_each_by_itself(state: State) -> None:
    def give(set_us: int, stock: int | None = None, price: float | None = None) -> bool:
        return state.items.set_inventory(Inventory("tea", set_us, stock, price), exists=True, now_us=NOW)

    assert give(NOW + 10, stock=5)
    assert give(NOW, stock=9, price=2.0)
    assert item(state).fields == {"stock": 5, "price": 2.0}
    assert not give(NOW + 9, stock=7)
    assert not give(NOW - 1, price=7.0)
    assert give(NOW + 10, stock=4)
    assert item(state).fields == {"stock": 4, "price": 2.0}
    assert type(item(state).fields["stock"]) is int


def test_a_price_that_is_upserted_is_of_that_moment(state: State) -> None:
    state.items.upsert([ItemChange("tea", {"price": 3.0})], existing={"tea"}, create=False, now_us=NOW)
    assert not state.items.set_inventory(Inventory("tea", NOW - 1, price=1.0), exists=True, now_us=NOW)
    assert state.items.set_inventory(Inventory("tea", NOW - 1, stock=1), exists=True, now_us=NOW)
    assert item(state).fields == {"price": 3.0, "stock": 1}


def test_inventory_of_an_unknown_item_is_held_until_the_item_comes(state: State) -> None:
    assert not state.items.set_inventory(Inventory("new", NOW - 5, stock=7), exists=False, now_us=NOW)
    assert not state.items.set_inventory(Inventory("new", NOW - 6, stock=8, price=2.0), exists=False, now_us=NOW + 1)
    state.items.upsert([ItemChange("new", {"title": "N"})], existing=(), create=True, now_us=NOW + DAY_US)
    assert item(state, "new").fields == {"title": "N", "stock": 7, "price": 2.0}
    assert not state.items.set_inventory(Inventory("new", NOW - 6, stock=1), exists=False, now_us=NOW)


def test_inventory_of_an_unknown_item_is_held_for_no_more_than_a_day(state: State) -> None:
    state.items.set_inventory(Inventory("new", NOW, stock=7), exists=False, now_us=NOW)
    state.items.set_inventory(Inventory("other", NOW, stock=7), exists=False, now_us=NOW + DAY_US + 1)
    state.items.upsert([ItemChange("new", {})], existing=(), create=True, now_us=NOW + DAY_US + 1)
    assert item(state, "new").fields == {}


def test_held_inventory_of_an_item_that_a_snapshot_brings_counts_with_the_next_change(state: State) -> None:
    state.items.set_inventory(Inventory("new", NOW, stock=7), exists=False, now_us=NOW)
    assert state.items.set_inventory(Inventory("new", NOW + 1, price=1.0), exists=True, now_us=NOW + 1)
    assert item(state, "new").fields == {"stock": 7, "price": 1.0}
