"""What ``recsys.stores.protocols`` promises of events, on every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recsys.stores.protocols import State
from recsys.stores.records import (
    EventFilter,
    LiveEvent,
)

from .contract_records import NOW, TEA, ids, seen, who


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
