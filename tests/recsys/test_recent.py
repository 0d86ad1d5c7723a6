"""What a caller says a user did lately counts as if the snapshot had known it, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.ask import Ask, Resolved, resolve
from recsys.model import Snapshot
from recsys.recent import EventRules, RecentEvent, with_recent

from .small_worlds import DAY, NOW, Event, history_of, snapshot_of

RULES = EventRules({"purchase": 1.0, "view": 0.3, "rating": 1.0}, ("purchase",), 4.0)
EVENTS: list[Event] = [(0, 1, 5.0), (0, 2, 9.0), (1, 3, 2.0), (2, 4, 1.0), (2, 1, 1.0)]


def world(events: list[Event]) -> Snapshot:
    return snapshot_of(events, n_users=3, n_items=6)


def resolved(*events: RecentEvent, user_id: str = "u00", **fields: Any) -> Resolved:
    return resolve(Ask(at=NOW, user_id=user_id, recent=events, **fields), world(EVENTS))


def bought(item: int, days: float) -> RecentEvent:
    return RecentEvent(f"i{item:02d}", "purchase", NOW - round(days * DAY))


def test_the_history_is_the_one_a_snapshot_that_knew_it_would_have() -> None:
    known = world([*EVENTS, (0, 4, 1.0), (0, 1, 7.0)])
    expected = resolve(Ask(at=NOW, user_id="u00"), known).query
    found = resolved(bought(1, 7.0), bought(4, 1.0)).query
    for name in ("items", "times", "weights", "targets"):
        np.testing.assert_array_equal(getattr(found.history, name), getattr(expected.history, name))
    np.testing.assert_array_equal(found.owned, expected.owned)


def test_what_was_just_bought_is_owned_and_no_longer_new() -> None:
    asked = resolved(bought(4, 0.1), serving_config="discover")
    assert 4 in asked.query.owned
    assert not asked.query.allowed[4]


def test_somebody_unknown_has_a_history_then() -> None:
    snapshot = world(EVENTS)
    query = resolve(Ask(at=NOW, user_id="stranger", recent=(bought(1, 1.0),)), snapshot).query
    assert (query.user, query.history.items.tolist()) == (None, [1])
    assert snapshot.pipeline.recommend(query).slate.items[0] == 1


def test_what_was_not_before_the_time_of_the_answer_counts_nothing_and_no_time_is_just_before() -> None:
    events = (
        RecentEvent("i04", "purchase", NOW),
        RecentEvent("i05", "purchase", NOW - 1),
        RecentEvent("i03", "purchase"),
    )
    history = resolved(*events).query.history
    assert history.items.tolist() == [3, 5, 1, 2]
    assert history.times[:2].tolist() == [NOW - 1, NOW - 1]


@pytest.mark.parametrize(
    ("event", "weight", "target"),
    [
        (RecentEvent("i00", "purchase", NOW - 5), 1.0, True),
        (RecentEvent("i00", "view", NOW - 5), 0.3, False),
        (RecentEvent("i00", "purchase", NOW - 5, value=4.0), 1.0, True),
        (RecentEvent("i00", "purchase", NOW - 5, value=3.5), 0.0, True),
    ],
)
def test_an_event_weighs_what_its_type_and_value_weigh(event: RecentEvent, weight: float, target: bool) -> None:
    history = with_recent(history_of([]), [event], world(EVENTS).catalogue.items, RULES, NOW).history
    assert history.weights.tolist() == pytest.approx([weight])
    assert history.targets.tolist() == [target]


def test_what_cannot_count_is_told_and_leaves_the_rest() -> None:
    events = (
        RecentEvent("nothing", "purchase"),
        RecentEvent("i00", "haggle"),
        RecentEvent("", "search"),
        RecentEvent("i00", "haggle", value=1.0),
        bought(5, 1.0),
    )
    known = replace(world(EVENTS))
    recent = with_recent(history_of([(1, 5.0)]), events, known.catalogue.items, RULES, NOW)
    assert recent.history.items.tolist() == [5, 1]
    assert recent.missing_ids == ("nothing",)
    assert recent.unknown_types == ("haggle",)


def test_an_event_that_comes_twice_counts_once_and_as_it_came_first() -> None:
    once = RecentEvent("i04", "purchase", NOW - 5, event_id="e")
    again = RecentEvent("i05", "purchase", NOW - 9, event_id="e")
    other = RecentEvent("i04", "purchase", NOW - 5)
    assert resolved(once, again).query.history.items.tolist() == [4, 1, 2]
    assert resolved(once, other, other).query.history.items.tolist() == [4, 4, 4, 1, 2]


def test_without_anything_that_counts_the_history_is_the_very_same() -> None:
    history = history_of([(1, 5.0)])
    items = world(EVENTS).catalogue.items
    for events in (
        [],
        [RecentEvent("", "search")],
        [RecentEvent("nothing", "view")],
        [RecentEvent("i01", "view", NOW)],
    ):
        assert with_recent(history, events, items, RULES, NOW).history is history


def test_rules_are_those_of_the_manifest_and_every_type_weighs_1_where_it_has_none() -> None:
    config = {"events": {"weights": {"listen": 0.5}, "target_types": ["listen"], "min_value": 2}}
    assert EventRules.of(config) == EventRules({"listen": 0.5}, ("listen",), 2)
    assert EventRules.of({}).weight(RecentEvent("i00", "view")) == 1.0
