"""What ``recsys.stores.protocols`` promises of shown lists, vectors and several at once, on every engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import StateUnavailable
from recsys.stores.protocols import State
from recsys.stores.records import (
    Inventory,
    ItemChange,
)

from .contract_records import NOW, SLATE, TEA, ids, item, seen, shown, who

ROOT = Path(__file__).parents[3]


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
