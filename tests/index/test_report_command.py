"""report feedback by the real command, from lists and events in a real store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from index.feedback import Feedback, Rate
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent, ShownItem, ShownSlate

Run = Callable[..., Any]
US = 1_000_000
AT = 1_700_000_000


def shown(request_id: str, *item_ids: str, **more: Any) -> ShownSlate:
    """A list of home, each item from the sources als and, at odd places, popular."""
    items = tuple(ShownItem(id, ("als", "popular")[: 1 + n % 2]) for n, id in enumerate(item_ids))
    whole = {"time_us": AT * US, "user_id": "u1", "visitor_id": "", "serving_config": "home", "snapshot_version": "v1"}
    return ShownSlate(request_id=request_id, items=items, **{**whole, **more})


def did(n: int, event_type: str, item_id: str, request_id: str = "", **more: Any) -> LiveEvent:
    whole = {"user_id": "u1", "time_us": (AT + n) * US, **more}
    return LiveEvent(f"e{n}", event_type, item_id=item_id, request_id=request_id, **whole)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    store = open_state(str(tmp_path / "state"))
    yield store
    store.close()


@pytest.fixture
def full(state: State) -> State:
    """Three lists: one with a click and a purchase, one with a click, one with nothing; and events that join none."""
    state.slates.append(
        [
            shown("r1", "a", "b", "c"),
            shown("r2", "b", "a", serving_config="discover", experiment="x", variant="B"),
            shown("r3", "c", "d", first_position=21, user_id="", visitor_id="c1"),
        ]
    )
    state.events.append(
        [
            did(1, "view", "a", "r1"),
            did(2, "click", "a", "r1"),
            did(3, "purchase", "a", "r1"),
            did(4, "Click", "b", "r2"),
            did(5, "view", "z", "r1"),
            did(6, "view", "a", "unlogged"),
            did(7, "view", "a"),
            did(8, "add_to_cart", "b", "r2"),
        ]
    )
    return state


def lines(feedback: Feedback, by: str) -> dict[str, tuple[int, int, int]]:
    return {line.name: (line.n_shown, line.n_clicked, line.n_converted) for line in feedback.lines(by)}


def settled(state: State, n_slates: int) -> State:
    """Lists are kept a moment later than they are handed over."""
    while len(state.slates.since(0, 100)[0]) < n_slates:
        pass
    return state


def test_events_count_for_the_place_they_follow_from(full: State) -> None:
    feedback = Feedback.read(settled(full, 3))
    assert lines(feedback, "serving_config") == {"home": (5, 1, 1), "discover": (2, 1, 0)}
    assert lines(feedback, "position") == {
        "1": (2, 2, 1),
        "2": (2, 0, 0),
        "3": (1, 0, 0),
        "21": (1, 0, 0),
        "22": (1, 0, 0),
    }
    assert lines(feedback, "source") == {"als": (7, 2, 1), "popular": (3, 0, 0)}
    assert lines(feedback, "variant") == {"x: B": (2, 1, 0)}
    total = feedback.total()
    assert (total.n_shown, total.n_clicked, total.n_converted) == (7, 2, 1)


def test_what_could_not_be_joined_is_counted(full: State) -> None:
    feedback = Feedback.read(settled(full, 3))
    assert (feedback.n_slates, feedback.n_joined) == (3, 2)
    assert (feedback.n_events, feedback.n_without, feedback.n_unknown, feedback.n_elsewhere) == (7, 1, 1, 1)


def test_other_types_and_a_later_beginning(full: State) -> None:
    settled(full, 3)
    carts = Feedback.read(full, click_types=["Add-To-Cart"], target_types=["click"])
    assert (carts.total().n_clicked, carts.total().n_converted) == (1, 2)
    assert Feedback.read(full, since_us=(AT + 1) * US).total().n_shown == 0


def test_the_interval_is_wilsons() -> None:
    """By hand: 1 of 10 is 0.1, from 0.0179 to 0.4042."""
    rate = Rate.of(1, 10)
    assert (round(rate.value, 4), round(rate.low, 4), round(rate.high, 4)) == (0.1, 0.0179, 0.4042)
    assert (Rate.of(0, 10).low, Rate.of(10, 10).high) == (0.0, 1.0)
    assert Rate.of(0, 0).value != Rate.of(0, 0).value


def test_the_command_shows_tables_and_writes_every_number(index_command: Run, full: State, tmp_path: Path) -> None:
    settled(full, 3)
    ran = index_command("report", "feedback", "--state", tmp_path / "state", "--json", tmp_path / "out" / "f.json")
    assert ran.code == 0, ran.err
    for part in ("serving config", "position", "source", "x: B", "discover", "50.00% ["):
        assert part in ran.out
    assert "3 lists with 7 items: 2 clicked (28.57% [8.22% – 64.11%]), 1 converted (14.29% [" in ran.out
    assert "not joined: 1 lists without an event; of 7 events 1 follow from no answer, 1 from one" in ran.out
    told = json.loads((tmp_path / "out" / "f.json").read_text())
    assert told["by"]["serving_config"]["home"]["click_through"]["value"] == 0.2
    assert told["slates"] == {"n": 3, "n_without_event": 1}
    assert told["events"]["n_of_item_elsewhere"] == 1


def test_a_state_without_lists_says_so(index_command: Run, state: State, tmp_path: Path) -> None:
    ran = index_command("report", "feedback", "--state", tmp_path / "state", "--json", tmp_path / "f.json")
    assert ran.code == 0
    assert ran.out.startswith("no list was logged")
    assert json.loads((tmp_path / "f.json").read_text())["all"]["click_through"]["value"] is None


def test_bad_words_exit_2(index_command: Run, full: State, tmp_path: Path) -> None:
    assert index_command("report", "feedback", "--state", tmp_path / "none").code == 2
    assert index_command("report", "feedback", "--state", tmp_path / "state", "--target-types", " ,").code == 2


def test_negatives_are_what_was_shown_and_left(index_command: Run, full: State, tmp_path: Path) -> None:
    """a was clicked in r1 and r2's b; u1 turned to a later without a token; r3 is c1's, who is u2 by now."""
    settled(full, 3)
    full.users.link("u2", "c1")
    file = tmp_path / "negatives.parquet"
    assert index_command("report", "feedback", "--state", tmp_path / "state", "--negatives", file).code == 0
    table = pl.read_parquet(file)
    assert table.columns == ["user_id", "item_id", "timestamp", "position", "weight"]
    rows = [tuple(row) for row in table.select("user_id", "item_id", "position").iter_rows()]
    assert rows == [("u1", "c", 3), ("u2", "c", 21), ("u2", "d", 22)]
    assert table["timestamp"].dtype == pl.Datetime("us", "UTC")
    assert table["weight"].is_between(0, 1).all()
