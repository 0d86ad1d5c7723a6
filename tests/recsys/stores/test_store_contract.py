"""What ``recsys.stores.protocols`` promises, on every engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from recsys.errors import StateUnavailable
from recsys.stores.protocols import State
from recsys.stores.records import (
    Erasure,
    EventFilter,
    Inventory,
    ItemChange,
    LiveEvent,
    LiveItem,
    Person,
    ProfileChange,
    ShownItem,
    ShownSlate,
    erasure_digest,
)

ROOT = Path(__file__).parents[3]
DAY_US = 86_400_000_000
NOW = 1_767_225_600_000_000  # 2026-01-01
TEA = LiveEvent(
    event_id="e-1",
    event_type="purchase",
    time_us=NOW,
    user_id="anna",
    visitor_id="phone",
    item_id="tea",
    quantity=2.0,
    price=3.5,
    currency_code="EUR",
    session_id="s",
    query="grüner Tee 茶",
    platform="app",
    value=0.1,
    request_id="r",
)
SLATE = ShownSlate(
    request_id="r",
    time_us=NOW,
    user_id="anna",
    visitor_id="phone",
    serving_config="home",
    snapshot_version="v",
    items=(ShownItem("tea", ("als", "popular"), True, 0.25), ShownItem("茶")),
    first_position=21,
    platform="app",
    features_digest="f",
    experiment="x",
    variant="b",
)


def seen(event_id: str, time_us: int = NOW, *, user_id: str = "", visitor_id: str = "") -> LiveEvent:
    return LiveEvent(event_id, "view", time_us, user_id=user_id, visitor_id=visitor_id, item_id="tea")


def ids(person: Person) -> list[str]:
    return [event.event_id for event in person.events]


def who(state: State, user_id: str = "", visitor_id: str = "", most_events: int = 100) -> Person:
    return state.users.person(user_id, visitor_id, most_events=most_events)


# Events


def test_an_event_comes_back_as_it_was_kept(state: State) -> None:
    bare = LiveEvent("e-2", "view", NOW + 1, visitor_id="tablet")
    assert state.events.append([TEA, bare]) == [True, True]
    assert state.events.since(0, 10)[0] == [TEA, bare]
    assert who(state, "anna").events == (TEA,)
    assert who(state, "", "tablet").events == (bare,)


def test_an_event_that_comes_again_is_kept_once_and_as_it_was_first(state: State) -> None:
    state.events.append([TEA])
    assert state.events.append([replace(TEA, item_id="bread"), seen("e-2", user_id="anna")]) == [False, True]
    assert state.events.append([TEA]) == [False]
    assert state.events.count() == 2
    assert state.events.since(0, 1)[0] == [TEA]


def test_an_event_twice_in_one_batch_is_new_once(state: State) -> None:
    assert state.events.append([TEA, TEA, seen("e-2", user_id="anna"), TEA]) == [True, False, True, False]
    assert state.events.count() == 2


def test_no_events_are_fine(state: State) -> None:
    assert state.events.append([]) == []
    assert state.events.since(0, 10) == ([], 0)
    assert state.events.count() == 0
    assert state.events.purge(EventFilter(), force=True) == 0


def test_since_goes_through_events_in_the_order_they_were_kept(state: State) -> None:
    batches = [[seen(f"e-{batch}-{number}", NOW - number, user_id="anna") for number in range(7)] for batch in range(3)]
    for batch in batches:
        state.events.append(batch)
    position, pages = 0, []
    while page := state.events.since(position, 4):
        events, position = page
        if not events:
            break
        pages.append(events)
    assert [len(events) for events in pages] == [4, 4, 4, 4, 4, 1]
    assert [event for events in pages for event in events] == [event for batch in batches for event in batch]
    assert state.events.since(position, 4) == ([], position)
    late = seen("late", user_id="anna")
    state.events.append([late])
    assert state.events.since(position, 4)[0] == [late]


PURGES = [
    (EventFilter(), {"a", "b", "c", "d"}),
    (EventFilter(user_id="anna"), {"a", "b"}),
    (EventFilter(visitor_id="phone"), {"b", "c"}),
    (EventFilter(user_id="anna", visitor_id="phone"), {"b"}),
    (EventFilter(event_type="purchase"), {"b"}),
    (EventFilter(item_id="bread"), {"d"}),
    (EventFilter(since_us=NOW + 1), {"b", "c", "d"}),
    (EventFilter(until_us=NOW + 1), {"a"}),
    (EventFilter(since_us=NOW + 1, until_us=NOW + 3), {"b", "c"}),
    (EventFilter(user_id="bela"), {"d"}),
    (EventFilter(user_id=""), {"c"}),
    (EventFilter(user_id="nobody"), set()),
]


@pytest.mark.parametrize(
    # The order of a set is not that of another process, which runs tests of the same names.
    ("chosen", "fitting"),
    PURGES,
    ids=lambda value: "".join(sorted(value)) if isinstance(value, set) else None,
)
def test_a_purge_counts_and_only_with_force_deletes_what_fits(
    state: State, chosen: EventFilter, fitting: set[str]
) -> None:
    events = [
        seen("a", NOW, user_id="anna"),
        replace(seen("b", NOW + 1, user_id="anna", visitor_id="phone"), event_type="purchase"),
        seen("c", NOW + 2, visitor_id="phone"),
        replace(seen("d", NOW + 3, user_id="bela"), item_id="bread"),
    ]
    state.events.append(events)
    assert state.events.purge(chosen, force=False) == len(fitting)
    assert state.events.count() == 4
    assert state.events.purge(chosen, force=True) == len(fitting)
    assert {event.event_id for event in state.events.since(0, 10)[0]} == {"a", "b", "c", "d"} - fitting
    assert state.events.purge(chosen, force=True) == 0
    # The ids may come again.
    assert state.events.append(events) == [event.event_id in fitting for event in events]


def test_positions_stay_good_over_a_purge(state: State) -> None:
    state.events.append([seen(f"e-{number}", user_id="anna") for number in range(50)])
    _, position = state.events.since(0, 30)
    state.events.purge(EventFilter(), force=True)
    assert state.events.since(position, 10)[0] == []
    state.events.append([seen("new", user_id="anna")])
    assert [event.event_id for event in state.events.since(position, 10)[0]] == ["new"]
    assert ids(who(state, "anna")) == ["new"]


# Items


def item(state: State, item_id: str = "tea") -> LiveItem:
    found = state.items.get(item_id)
    assert found is not None
    return found


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


# People


def test_somebody_unknown_has_nothing(state: State) -> None:
    assert who(state, "anna") == Person("anna")
    assert who(state, "", "phone") == Person("", ("phone",))
    assert who(state) == Person("")


def test_events_of_a_person_are_newest_first_ties_by_id_and_at_most_so_many(state: State) -> None:
    state.events.append([seen(f"e-{number}", NOW + number // 2, user_id="anna") for number in (3, 1, 4, 0, 2, 5)])
    state.events.append([seen("other", NOW, user_id="bela")])
    assert ids(who(state, "anna")) == ["e-4", "e-5", "e-2", "e-3", "e-0", "e-1"]
    assert ids(who(state, "anna", most_events=3)) == ["e-4", "e-5", "e-2"]
    assert ids(who(state, "anna", most_events=0)) == []
    assert state.users.count_events(who(state, "anna", most_events=1)) == 6


def test_an_event_of_a_user_on_a_device_is_the_users(state: State) -> None:
    state.events.append([seen("a", user_id="anna", visitor_id="phone"), seen("b", NOW + 1, visitor_id="phone")])
    assert ids(who(state, "anna")) == ["a"]
    assert ids(who(state, "", "phone")) == ["b"]
    state.users.link("bela", "phone")
    assert ids(who(state, "bela")) == ["b"]


def test_linking_joins_histories_and_unlinking_restores_both(state: State) -> None:
    state.events.append([seen("u", NOW, user_id="anna"), seen("v", NOW + 1, visitor_id="phone")])
    before = who(state, "anna"), who(state, "", "phone")
    assert state.users.link("anna", "phone") == ""
    joined = Person("anna", ("phone",), events=(seen("v", NOW + 1, visitor_id="phone"), seen("u", user_id="anna")))
    assert who(state, "anna") == joined
    assert who(state, "", "phone") == joined
    assert state.users.count_events(joined) == 2
    assert state.users.unlink("anna", "phone")
    assert (who(state, "anna"), who(state, "", "phone")) == before
    assert not state.users.unlink("anna", "phone")


def test_a_link_moves_and_says_from_whom(state: State) -> None:
    assert state.users.link("anna", "phone") == ""
    assert state.users.link("anna", "phone") == "anna"
    assert state.users.link("bela", "phone") == "anna"
    assert not state.users.unlink("anna", "phone")
    state.users.link("bela", "app")
    assert list(state.users.links()) == [("app", "bela"), ("phone", "bela")]
    assert who(state, "bela").visitor_ids == ("app", "phone")
    assert who(state, "anna").visitor_ids == ()


def test_several_visitors_of_a_user_share_the_limit(state: State) -> None:
    for number, visitor in enumerate(("phone", "app", "web")):
        state.users.link("anna", visitor)
        state.events.append([seen(f"{visitor}-{step}", NOW + 3 * step + number, visitor_id=visitor) for step in (0, 1)])
    assert ids(who(state, "anna", most_events=4)) == ["web-1", "app-1", "phone-1", "web-0"]


def test_people_are_each_the_person(state: State) -> None:
    state.events.append([seen("u", NOW, user_id="anna"), seen("v", NOW + 1, visitor_id="phone")])
    state.users.link("anna", "phone")
    asked = [("anna", ""), ("", "phone"), ("nobody", ""), ("", "tablet"), ("anna", "tablet")]
    assert state.users.people(asked, most_events=1) == [who(state, *one, most_events=1) for one in asked]
    assert state.users.people([], most_events=1) == []


def test_attributes_of_users_that_exist_are_set_and_the_others_are_missing(state: State) -> None:
    changes = [ProfileChange("anna", {"age": 40.0, "town": "Köln", "member": True}), ProfileChange("bela", {})]
    assert state.users.upsert(changes, existing={"anna"}, create=False) == [True, False]
    assert who(state, "anna").attributes == {"age": 40.0, "town": "Köln", "member": True}
    assert state.users.upsert([ProfileChange("bela", {"age": 1.0})], existing=(), create=True) == [True]
    # Now there is a profile.
    assert state.users.upsert([ProfileChange("bela", {"town": None})], existing=(), create=False) == [True]
    assert list(state.users.profiles()) == [
        ("anna", {"age": 40.0, "town": "Köln", "member": True}),
        ("bela", {"age": 1.0, "town": None}),
    ]


def test_a_profile_that_is_replaced_clears_what_is_not_given(state: State) -> None:
    state.users.upsert([ProfileChange("anna", {"age": 40.0, "town": "Köln"})], existing=(), create=True)
    state.users.upsert([ProfileChange("anna", {"age": 41.0, "new": "x" * 999}, replace=True)], existing=(), create=True)
    assert who(state, "anna").attributes == {"age": 41.0, "new": "x" * 999, "town": None}


# Erasure


def test_erasing_deletes_all_of_a_user_and_of_linked_visitors_and_nobody_elses(state: State) -> None:
    state.users.upsert([ProfileChange("anna", {"age": 40.0}), ProfileChange("bela", {})], existing=(), create=True)
    state.users.link("anna", "phone")
    state.users.link("anna", "app")
    state.users.link("bela", "web")
    kept = [seen("k", user_id="bela"), seen("l", visitor_id="web"), seen("m", visitor_id="tablet")]
    shared = seen("s", user_id="bela", visitor_id="phone")
    state.events.append([TEA, seen("u", user_id="anna"), seen("v", visitor_id="phone"), *kept, shared])
    receipt = state.users.erase("anna", now_us=NOW + 9)
    assert (receipt.n_events, receipt.has_profile, receipt.n_links) == (3, True, 2)
    assert receipt.erased_us == NOW + 9
    assert receipt.id
    assert "anna" not in repr(receipt)
    assert who(state, "anna") == Person("anna", erased_us=NOW + 9)
    assert who(state, "", "phone") == Person("", ("phone",), erased_us=NOW + 9)
    assert list(state.users.links()) == [("web", "bela")]
    assert [one for one, _ in state.users.profiles()] == ["bela"]
    # Another user's event on a device of the erased one stays, and forgets the device.
    assert state.events.since(0, 99)[0] == [*kept, replace(shared, visitor_id="")]
    assert state.events.count() == 4


def test_erased_ids_are_kept_as_digests_only(state: State) -> None:
    state.users.link("anna", "phone")
    state.users.erase("anna", now_us=NOW)
    state.users.erase("nobody", now_us=NOW + 1)
    state.users.erase("anna", now_us=NOW + 2)
    expected = [
        Erasure(erasure_digest("user", "anna"), NOW + 2),
        Erasure(erasure_digest("visitor", "phone"), NOW),
        Erasure(erasure_digest("user", "nobody"), NOW + 1),
    ]
    assert list(state.users.erasures()) == sorted(expected, key=lambda erasure: erasure.digest)


def test_what_was_up_to_an_erasure_does_not_come_back_and_what_is_later_counts(state: State) -> None:
    state.events.append([seen("a", NOW, user_id="anna")])
    state.users.link("anna", "phone")
    state.users.erase("anna", now_us=NOW + 5)
    late = [
        seen("a", NOW, user_id="anna"),
        seen("b", NOW + 5, user_id="anna"),
        seen("c", NOW + 5, visitor_id="phone"),
        seen("d", NOW + 6, user_id="anna"),
        seen("e", NOW + 6, visitor_id="phone"),
        seen("f", NOW, user_id="bela", visitor_id="phone"),
    ]
    assert state.events.append(late) == [False, False, False, True, True, True]
    assert ids(who(state, "anna")) == ["d"]
    assert who(state, "anna").erased_us == NOW + 5
    assert ids(who(state, "", "phone")) == ["e"]
    assert state.users.upsert([ProfileChange("anna", {"age": 1.0})], existing={"anna"}, create=False) == [False]
    assert state.users.upsert([ProfileChange("anna", {"age": 1.0})], existing=(), create=True) == [True]
    assert who(state, "anna").attributes == {"age": 1.0}


def test_shown_lists_of_an_erased_user_are_gone(state: State) -> None:
    state.users.link("anna", "app")
    others = [replace(SLATE, request_id="o", user_id="bela"), replace(SLATE, user_id="", visitor_id="web")]
    state.slates.append([SLATE, *others, replace(SLATE, user_id="", visitor_id="app")])
    shown(state, 4)
    state.users.erase("anna", now_us=NOW)
    assert state.slates.since(0, 10)[0] == others
    # An answer that was on its way comes too late, one to a later call does not.
    later = replace(SLATE, time_us=NOW + 1)
    state.slates.append([SLATE, replace(SLATE, user_id="", visitor_id="app"), later])
    assert shown(state, 3)[0] == [*others, later]


# Slates and vectors


def shown(state: State, n_slates: int) -> tuple[list[ShownSlate], int]:
    """All slates, once there are so many: they may be kept a moment later."""
    until = monotonic() + 10
    while len(state.slates.since(0, 100)[0]) < n_slates:
        assert monotonic() < until
    return state.slates.since(0, 100)


def test_shown_lists_come_back_as_they_were_in_order(state: State) -> None:
    state.slates.append([])
    state.slates.append([SLATE, replace(SLATE, request_id="s")])
    state.slates.append([replace(SLATE, request_id="t", user_id="", visitor_id="", items=())])
    slates, position = shown(state, 3)
    assert slates == [
        SLATE,
        replace(SLATE, request_id="s"),
        replace(SLATE, request_id="t", user_id="", visitor_id="", items=()),
    ]
    first, middle = state.slates.since(0, 2)
    assert first == slates[:2]
    assert state.slates.since(middle, 2) == (slates[2:], position)
    assert state.slates.since(position, 2) == ([], position)


def test_vectors_come_back_by_model_and_digest(state: State) -> None:
    one, two = np.arange(4, dtype=np.float32), np.full(4, 0.1, dtype=np.float32)
    state.vectors.put("model", {"a": one, "b": two})
    state.vectors.put("model", {"a": two})
    state.vectors.put("other", {"a": one})
    state.vectors.put("other", {})
    found = state.vectors.get("model", ["a", "b", "c"])
    assert set(found) == {"a", "b"}
    np.testing.assert_array_equal(found["a"], two)
    np.testing.assert_array_equal(state.vectors.get("other", ["a"])["a"], one)
    assert found["a"].dtype == np.float32
    assert state.vectors.get("none", ["a"]) == {}


# Several at once, and again


def test_what_was_kept_is_there_when_the_store_is_opened_again(opened: Callable[[], State]) -> None:
    first = opened()
    first.events.append([TEA])
    first.users.link("anna", "app")
    first.items.upsert([ItemChange("tea", {"title": "Tea"})], existing=(), create=True, now_us=NOW)
    before = who(first, "anna"), first.items.changed_since(0), first.events.since(0, 9)
    first.close()
    again = opened()
    assert (who(again, "anna"), again.items.changed_since(0), again.events.since(0, 9)) == before
    assert again.events.append([TEA]) == [False]


def test_a_store_that_was_closed_says_so(opened: Callable[[], State]) -> None:
    state = opened()
    state.close()
    state.close()
    with pytest.raises(StateUnavailable):
        state.events.append([TEA])
    with pytest.raises(StateUnavailable):
        state.events.count()


def test_what_one_opening_wrote_the_other_sees_at_once(opened: Callable[[], State]) -> None:
    writer, reader = opened(), opened()
    for number in range(100):
        writer.events.append([seen(f"e-{number}", NOW + number, user_id="anna")])
        assert ids(who(reader, "anna", most_events=1)) == [f"e-{number}"]
        writer.items.set_inventory(Inventory("tea", NOW + number, stock=number), exists=True, now_us=NOW)
        assert reader.items.version() == writer.items.version()
        assert item(reader).fields["stock"] == number


def test_threads_that_write_the_same_events_keep_each_once(state: State) -> None:
    events = [seen(f"e-{number}", NOW + number, user_id=f"u-{number % 5}") for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda event: state.events.append([event])[0], events * 4))
    assert sum(outcomes) == 60
    assert state.events.count() == 60


def test_threads_that_change_items_at_once_lose_no_change(state: State) -> None:
    def change(number: int) -> None:
        state.items.upsert([ItemChange("tea", {f"attributes.{number}": True})], existing=(), create=True, now_us=NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(40)))
    assert len(item(state).fields) == 40


WRITER = """
import sys
from recsys.stores.opening import open_state
from recsys.stores.records import LiveEvent
where, name = sys.argv[1:]
state = open_state(where)
for number in range(60):
    events = [LiveEvent(event_id, "view", number, user_id="anna") for event_id in (f"{name}-{number}", f"s-{number}")]
    assert state.events.append(events)[0]
    state.users.link(f"{name}", f"{name}-{number}")
state.close()
"""


def test_several_processes_write_at_once_and_lose_nothing(where: str, state: State) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, where, name], cwd=ROOT) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    kept = [event.event_id for event in state.events.since(0, 1_000)[0]]
    expected = [f"{name}-{number}" for name in "abcds" for number in range(60)]
    assert sorted(kept) == sorted(expected)
    assert len(list(state.users.links())) == 240
    # Each process's own come in the order it wrote them.
    for name in "abcd":
        assert [one for one in kept if one.startswith(f"{name}-")] == [f"{name}-{number}" for number in range(60)]


def test_a_store_describes_itself(state: State) -> None:
    assert any(engine in state.describe() for engine in ("SQLite", "Redis", "Valkey"))
