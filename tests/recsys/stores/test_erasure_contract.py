"""What ``recsys.stores.protocols`` promises to who is forgotten, on every engine."""

from __future__ import annotations

from dataclasses import replace

from recsys.stores.protocols import State
from recsys.stores.records import (
    Erasure,
    Person,
    ProfileChange,
    erasure_digest,
)

from .contract_records import NOW, SLATE, TEA, ids, seen, shown, who


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
