"""Item statistics of now: what a rebuild would count, from the snapshot's histories and what a store has kept since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.lately import Before, Lately, counted_lately
from recsys.recent import EventRules
from recsys.statistics import NAMES, ItemStatistics
from recsys.stores.protocols import State
from recsys.stores.records import ItemChange, LiveEvent

DAY = 86_400
END = 1_500_000_000
USERS, ITEMS = [f"u{n}" for n in range(6)], [f"i{n}" for n in range(4)]
RULES = EventRules({"purchase": 1.0, "view": 0.1}, ("purchase",))


@dataclass(frozen=True)
class Row:
    user: str
    item: str
    time: int
    event_type: str = "purchase"

    def live(self, place: int) -> LiveEvent:
        return LiveEvent(f"e{place}", self.event_type, self.time * 1_000_000, user_id=self.user, item_id=self.item)


def known() -> list[Row]:
    """Two purchases a day for sixty days."""
    rng = np.random.default_rng(3)
    whom, what = rng.integers(len(USERS), size=120), rng.integers(len(ITEMS), size=120)
    return [Row(USERS[u], ITEMS[i], END - n * DAY // 2) for n, (u, i) in enumerate(zip(whom, what, strict=True))]


def interactions(rows: Sequence[Row], users: list[str], items: list[str]) -> Interactions:
    return Interactions.ordered(
        users=[users.index(row.user) for row in rows],
        items=[items.index(row.item) for row in rows],
        times=[row.time for row in rows],
        weights=[RULES.weights[row.event_type] for row in rows],
        targets=[row.event_type == "purchase" for row in rows],
    )


def snapshot(rows: Sequence[Row], users: list[str], *, rules: EventRules = RULES) -> Before:
    table = interactions(rows, users, ITEMS)
    return Before(
        statistics=ItemStatistics.fit(table, len(ITEMS), END + 1, fade_weeks=3.0),
        histories=Histories.of_interactions(table, len(users)),
        users=IdMap.of(users),
        items=IdMap.of(ITEMS),
        rules=rules,
        last_event_at=END,
    )


def counted(state: State, *, at: int | None, rules: EventRules = RULES) -> Lately:
    return counted_lately(snapshot(known(), USERS, rules=rules), state, at=at)


def create(state: State, *item_ids: str) -> None:
    state.items.upsert([ItemChange(id, {"title": id}) for id in item_ids], existing=(), create=True, now_us=1)


def number_of_users(lately: Lately, item: str) -> float:
    """Of the last week."""
    assert lately.statistics is not None
    place = NAMES.index("users_1w")
    row = lately.statistics.values[ITEMS.index(item)] if item in ITEMS else lately.statistics.of_arrivals([item])[0]
    return float(np.expm1(row[place]))


def test_they_are_what_a_rebuild_at_the_time_would_count(state: State) -> None:
    since = [Row(USERS[n % 6], ITEMS[n % 3], END + (n + 1) * DAY // 4) for n in range(40)]
    since += [Row("u-new", "i-new", END + 5 * DAY), Row("u1", "i-new", END + 6 * DAY)]
    since += [Row("u2", "i3", END + 7 * DAY, "view"), Row("u0", "i0", END - 9 * DAY + 7)]
    state.events.append([row.live(place) for place, row in enumerate(since)])
    create(state, "i-new")
    at = END + 11 * DAY
    found = counted(state, at=at)
    assert found.n_events == len(since)
    assert found.statistics is not None

    everything = interactions([*known(), *since], [*USERS, "u-new"], [*ITEMS, "i-new"])
    expected = ItemStatistics.fit(everything, 5, at, fade_weeks=3.0)
    np.testing.assert_array_equal(found.statistics.values, expected.values[:4])
    np.testing.assert_array_equal(found.statistics.of_arrivals(["i-new", "i-none"])[0], expected.values[4])
    np.testing.assert_array_equal(found.statistics.of_arrivals(["i-none"])[0], expected.of_newcomer())
    assert (found.statistics.at, found.statistics.fade_weeks) == (at, 3.0)


def test_what_the_snapshot_has_already_counts_once(state: State) -> None:
    again = known()[:30]
    state.events.append([row.live(place) for place, row in enumerate(again)])
    assert counted(state, at=END + DAY).n_events == 0

    new = [Row("u0", "i0", END + 9), Row("u0", "i0", END + 99)]
    state.events.append([row.live(100 + place) for place, row in enumerate(new)])
    found = counted(state, at=END + DAY // 2)
    assert found.n_events == 2
    assert found.statistics is not None
    expected = ItemStatistics.fit(interactions([*known(), *new], USERS, ITEMS), 4, END + DAY // 2, fade_weeks=3.0)
    np.testing.assert_array_equal(found.statistics.values, expected.values)


def test_where_live_events_are_but_a_part_of_what_happens_nothing_is_said_of_now(state: State) -> None:
    state.events.append([Row("u0", "i0", END + DAY * n).live(n) for n in range(1, 8)])  # one a day, for two before
    assert counted(state, at=END + 10 * DAY).statistics is None
    assert counted(state, at=END + 10 * DAY).pace == pytest.approx(0.35, abs=0.02)
    assert counted(state, at=END + 7 * DAY).statistics is not None


def test_without_a_time_now_is_just_after_the_newest_event_that_is_not_far_from_the_others(state: State) -> None:
    assert counted(state, at=None) == Lately(0, 0.0, None)
    state.events.append([Row("u0", "i0", END + DAY // 3).live(0), Row("u1", "i0", END + DAY // 2).live(1)])
    found = counted(state, at=None)
    assert found.statistics is not None
    assert found.statistics.at == END + DAY // 2 + 1
    state.events.append([Row("u2", "i0", END + 4000 * DAY).live(2)])
    found = counted(state, at=None)
    assert (found.n_events, found.position) == (3, counted(state, at=None).position)
    assert found.statistics is not None
    assert found.statistics.at == END + DAY // 2 + 1


def test_an_event_of_a_later_time_has_happened_all_the_same(state: State) -> None:
    state.events.append([Row("u0", "i0", END + 40 * DAY).live(0), Row("u1", "i1", END + DAY // 2).live(1)])
    found = counted(state, at=END + DAY)
    assert found.statistics is not None
    others = [*known(), Row("u0", "i0", END + DAY - 1), Row("u1", "i1", END + DAY // 2)]
    expected = ItemStatistics.fit(interactions(others, USERS, ITEMS), 4, END + DAY, fade_weeks=3.0)
    np.testing.assert_array_equal(found.statistics.values, expected.values)


def test_a_visitor_counts_as_whom_they_are_linked_to(state: State) -> None:
    create(state, "i9")
    events = [
        LiveEvent("a", "purchase", (END + 9) * 1_000_000, user_id="u0", item_id="i9"),
        LiveEvent("b", "purchase", (END + 99) * 1_000_000, visitor_id="phone", item_id="i9"),
    ]
    state.events.append(events)
    assert number_of_users(counted(state, at=END + DAY // 2), "i9") == pytest.approx(2)
    state.users.link("u0", "phone")
    assert number_of_users(counted(state, at=END + DAY // 2), "i9") == pytest.approx(1)


def test_who_is_linked_or_unlinked_since_the_snapshot_was_built_counts_once(state: State) -> None:
    """A rebuild took in what a visitor did; the store still keeps it."""
    then = (END - 9) * 1_000_000
    state.events.append([LiveEvent("a", "purchase", then, visitor_id="phone", item_id="i3")])
    state.events.append([Row("u5", "i0", END + 9).live(0)])
    as_visitor = snapshot([*known(), Row("v:phone", "i3", END - 9)], [*USERS, "v:phone"])
    others = number_of_users(counted_lately(as_visitor, state, at=END + DAY // 2), "i3") - 1
    state.users.link("u0", "phone")
    linked = counted_lately(as_visitor, state, at=END + DAY // 2)
    had = {row.user for row in known() if row.item == "i3" and row.time > END - 13 * DAY // 2}
    assert (linked.n_events, len(had)) == (1, round(others))
    assert number_of_users(linked, "i3") == pytest.approx(len({*had, "u0"}))

    state.users.unlink("u0", "phone")
    as_user = snapshot([*known(), Row("u0", "i3", END - 9)], USERS)
    assert counted_lately(as_user, state, at=END + DAY // 2).n_events == 1


def test_what_erased_people_did_counts_nothing_in_the_snapshot_too(state: State) -> None:
    rows = [*known(), Row("u4", "i1", END - 5), Row("v:phone", "i1", END - 6)]
    before = snapshot(rows, [*USERS, "v:phone"])
    state.events.append([Row("u5", "i0", END + 9).live(0)])
    last = {row.user for row in rows if row.item == "i1" and row.time > END - 13 * DAY // 2}
    assert number_of_users(counted_lately(before, state, at=END + DAY // 2), "i1") == pytest.approx(len(last))
    state.users.link("u4", "phone")
    state.users.erase("u4", now_us=(END + 20) * 1_000_000)
    found = counted_lately(before, state, at=END + DAY // 2)
    assert number_of_users(found, "i1") == pytest.approx(len(last - {"u4", "v:phone"}))


def test_items_that_nobody_created_are_none(state: State) -> None:
    state.events.append([Row("u0", "i-none", END + 9).live(0), Row("u1", "i-new", END + 10).live(1)])
    create(state, "i-new")
    found = counted(state, at=END + DAY // 2)
    assert found.n_events == 2
    assert found.statistics is not None
    assert list(found.statistics.arrivals) == ["i-new"]


def test_what_counts_nothing_in_a_rebuild_counts_nothing_here(state: State) -> None:
    rules = replace(RULES, min_value=3.0)
    events = [
        LiveEvent("a", "purchase", (END + 9) * 1_000_000, user_id="u0", item_id="i0"),
        LiveEvent("b", "purchase", (END + 10) * 1_000_000, user_id="u1", item_id="i9", value=1.0),  # disliked
        LiveEvent("c", "wave", (END + 11) * 1_000_000, user_id="u1", item_id="i9"),
        LiveEvent("d", "search", (END + 12) * 1_000_000, user_id="u1", query="i9"),
    ]
    state.events.append(events)
    create(state, "i9")
    found = counted(state, at=END + DAY // 2, rules=rules)
    assert found.n_events == 2  # the dislike is an event, and makes nothing popular
    assert found.statistics is not None
    assert found.statistics.of_arrivals(["i9"])[0, NAMES.index("users_all")] == 0
