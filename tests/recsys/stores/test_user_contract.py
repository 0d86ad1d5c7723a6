"""What ``recsys.stores.protocols`` promises of users, visitors and profiles, on every engine."""

from __future__ import annotations

from recsys.stores.protocols import State
from recsys.stores.records import (
    Person,
    ProfileChange,
)

from .contract_records import NOW, ids, seen, who


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
