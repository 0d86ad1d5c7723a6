"""Who asks: rows of the snapshot, kept events and what the caller tells, as one person."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.ask import Ask, resolve
from recsys.ids import IdMap
from recsys.model import Snapshot
from recsys.query import Query
from recsys.recent import RecentEvent
from recsys.stores.records import LiveEvent, Person

from .small_worlds import DAY, NOW, snapshot_of

# u00 bought 1 and 2, u01 3 and 2; u02 has done nothing.
EVENTS = [(0, 1, 5.0), (0, 2, 9.0), (1, 3, 2.0), (1, 2, 1.0)]


def world() -> Snapshot:
    return snapshot_of(EVENTS, n_users=3, n_items=6, profiles={"age": [20, 30, 40]})


def kept(item: int, days: float, *, id: str = "", type: str = "purchase", extra_us: int = 0) -> LiveEvent:
    time_us = (NOW - round(days * DAY)) * 1_000_000 + extra_us
    return LiveEvent(id or f"e{item}-{days}-{type}", type, time_us, "u00", item_id=f"i{item:02d}")


def asked(person: Person, **fields: Any) -> Query:
    return resolve(Ask(at=NOW, person=person, **fields), world()).query


def test_rows_of_linked_visitors_are_one_history_with_the_users() -> None:
    query = asked(Person("u00", ("u01", "unknown")))

    assert query.history.items.tolist() == [2, 3, 1, 2]
    assert (query.user, query.selves) == (0, (0, 1))
    assert query.owned.tolist() == [1, 2, 3]


def test_a_visitor_is_looked_for_by_the_name_that_a_rebuild_gives_them() -> None:
    snapshot = world()
    people = snapshot.people
    named = type(people)(
        IdMap.of(["u00", "v:phone", "w"]), people.catalogue, people.histories, people.profiles, people.rules
    )

    assert named.numbers(Person("", ("phone",))) == (1,)
    assert named.numbers(Person("u00", ("phone", "w"))) == (0, 1, 2)


def test_kept_events_lie_among_those_of_the_snapshot() -> None:
    query = asked(Person("u00", events=(kept(4, 1.0), kept(5, 7.0), kept(1, 0.5, type="view"))))

    assert query.history.items.tolist() == [1, 4, 1, 5, 2]
    assert query.history.targets.tolist() == [False, True, True, True, True]


def test_a_kept_event_that_the_snapshot_has_counts_once_whatever_its_microseconds() -> None:
    alike = Person("u00", events=(kept(1, 5.0, extra_us=999_999), kept(2, 9.0), kept(2, 9.0, type="view")))

    assert asked(alike).history.items.tolist() == [1, 2, 2]
    assert asked(alike).history.targets.tolist() == [True, True, False]


def test_what_is_told_and_kept_counts_once_by_its_id_or_else_by_item_and_time() -> None:
    person = Person("u00", events=(kept(4, 1.0, id="e"),))
    told = (
        RecentEvent("i05", "purchase", NOW - 9, event_id="e"),
        RecentEvent("i04", "purchase", NOW - DAY),
        RecentEvent("i03", "purchase", NOW - 9),
    )

    assert asked(person, recent=told).history.items.tolist() == [3, 4, 1, 2]


def test_in_a_replay_only_what_was_before_counts_and_now_everything_has_happened() -> None:
    person = Person("u00", events=(kept(4, -3.0), kept(5, 0.0)))

    assert asked(person).history.items.tolist() == [1, 2]
    assert asked(person, is_now=True).history.items.tolist() == [4, 5, 1, 2]
    assert asked(person, is_now=True).history.times[:2].tolist() == [NOW - 1, NOW - 1]


def test_what_the_catalogue_lacks_or_weighs_nothing_is_no_news_of_the_callers() -> None:
    unknown = LiveEvent("x", "purchase", 5, "u00", item_id="nothing")
    resolved = resolve(Ask(at=NOW, person=Person("u00", events=(unknown,))), world())

    assert (resolved.missing_ids, resolved.warnings) == ((), ())


def test_of_who_was_erased_only_what_came_later_is_left() -> None:
    at_5_days = (NOW - 5 * DAY) * 1_000_000
    gone = asked(Person("u00", erased_us=at_5_days))
    later = asked(Person("u00", erased_us=at_5_days - 1_000_000, events=(kept(4, 1.0),), attributes={"age": 21.0}))

    assert (gone.user, gone.profile, len(gone.history)) == (None, None, 0)
    assert later.history.items.tolist() == [4, 1]
    assert later.user is None
    assert later.profile is not None
    assert later.profile.values.tolist() == [21.0]
    # So that they are no neighbour of their own former self.
    assert later.selves == (0,)


def test_a_device_that_was_erased_with_somebody_brings_their_history_to_nobody_else() -> None:
    linked = Person("u00", ("u01",), erased_visitors={"u01": (NOW - DAY) * 1_000_000})
    alone = Person("", ("u01",), erased_visitors={"u01": (NOW - DAY) * 1_000_000})

    assert asked(linked).history.items.tolist() == [1, 2]
    assert asked(linked).user == 0
    assert (len(asked(alone).history), asked(alone).user, asked(alone).selves) == (0, None, (1,))


def test_a_profile_of_now_is_what_features_see() -> None:
    snapshot = world()
    people = [
        Person("u01"),
        Person("u01", attributes={"age": 33.0}),
        Person("new", attributes={"age": 44.0}),
        Person("x"),
    ]
    profiles = snapshot.model.context.profiles
    found = [profiles.of_query(asked(person)) for person in people]

    np.testing.assert_array_equal(np.concatenate(found), np.array([30, 33, 44, np.nan], np.float32))
