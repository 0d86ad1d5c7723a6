"""Events and people of tables and a real state store, read as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from index.dataset import Dataset, load
from index.state_merge import StateReport
from index.state_tables import StateTables
from recsys.stores.protocols import State
from recsys.stores.records import EventFilter, LiveEvent

from .merged_state import NOW, US, Read, did, report, rows
from .small_sales import DAY_S, START, sales, write_csv


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Forty sales: on day d user u(d % 6) takes item i(d % 5)."""
    return write_csv(tmp_path / "data", sales())


@pytest.fixture
def read(shop: Path, state: State) -> Read:
    """The shop's dataset with what the state has by now."""

    def read(**options: Any) -> Dataset:
        return load(shop, now=NOW, state=StateTables.read(state), **options)

    return read


def test_a_state_that_holds_nothing_changes_nothing(shop: Path, read: Read) -> None:
    plain, merged = load(shop, now=NOW), read()
    assert merged.user_ids == plain.user_ids
    assert merged.item_ids == plain.item_ids
    assert merged.interactions.times.tolist() == plain.interactions.times.tolist()
    assert report(merged) == StateReport()


def test_events_of_the_state_are_added_and_new_users_with_them(read: Read, state: State) -> None:
    state.events.append([did("u0", "i9", START + 100 * DAY_S), did("new", "i1", START + 7.25)])
    dataset = read()
    assert rows(dataset, "u0")[0] == ("i9", 100 * DAY_S)
    assert rows(dataset, "new") == [("i1", 7)]
    assert report(dataset).n_kept == 2
    assert "state: 2 events, 0 already in the tables, 2 added" in dataset.report.lines()


def test_months_between_the_tables_and_what_was_kept_since_are_told(read: Read, state: State) -> None:
    state.events.append([did("u0", "i9", START + 20 * DAY_S), did("u0", "i9", START + 45 * DAY_S)])
    assert report(read()).gap_days == pytest.approx(45 - 39)
    assert not any("of which nothing is known" in line for line in read().report.lines())
    state.events.purge(EventFilter(), force=True)
    state.events.append([did("u0", "i9", START + 99 * DAY_S)])
    assert report(read()).gap_days == pytest.approx(60)
    assert any("lie 60 days of which nothing is known" in line for line in read().report.lines())


def test_what_the_tables_have_already_counts_once(read: Read, state: State) -> None:
    """The table has no ids: user, item, type and second tell; the same but for one of them is another event."""
    there = START + 6 * DAY_S
    state.events.append(
        [
            did("u0", "i1", there + 0.75),
            did("u0", "i1", there, event_id="given"),
            did("u0", "i1", there, "view"),
            did("u0", "i2", there),
            did("u0", "i1", there + 1),
        ]
    )
    dataset = read()
    assert (report(dataset).n_in_tables, report(dataset).n_kept) == (2, 3)
    assert len(dataset.interactions) == 40 + 3


def test_ids_tell_events_apart_where_the_table_has_them(tmp_path: Path, state: State) -> None:
    table = [{**row, "event_id": f"e{n}" if n < 30 else None} for n, row in enumerate(sales())]
    shop = write_csv(tmp_path / "data", table)
    state.events.append(
        [
            did("u0", "i0", START + 99 * DAY_S, event_id="e0"),  # the table's e0, whatever else is said of it
            did("u1", "i1", START + 1 * DAY_S, event_id="other"),  # as e1, but not e1
            did("u1", "i1", START + 31 * DAY_S, event_id="given"),  # as a row that has no id
            did("u2", "i2", START + 2 * DAY_S),  # as e2, and has no id of its own
        ]
    )
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert (report(dataset).n_in_tables, report(dataset).n_kept) == (3, 1)
    assert rows(dataset, "u1").count(("i1", DAY_S)) == 2


def test_a_visitor_is_somebody_until_linked_and_the_user_afterwards(read: Read, state: State) -> None:
    state.events.append(
        [
            LiveEvent("a", "view", (START + 50 * DAY_S) * US, visitor_id="c1", item_id="i4"),
            LiveEvent("b", "view", (START + 51 * DAY_S) * US, visitor_id="c2", item_id="i4"),
        ]
    )
    state.users.link("u0", "c1")
    dataset = read()
    assert rows(dataset, "u0")[0] == ("i4", 50 * DAY_S)
    assert rows(dataset, "v:c2") == [("i4", 51 * DAY_S)]
    assert "v:c1" not in dataset.user_ids
    assert (report(dataset).n_linked, report(dataset).n_visitors) == (1, 1)
    state.users.unlink("u0", "c1")
    assert rows(read(), "v:c1") == [("i4", 50 * DAY_S)]


def test_a_link_gathers_rows_of_the_tables_too(tmp_path: Path, state: State) -> None:
    """As exports name cookies of people who were not known yet."""
    late = {"user_id": "v:c1", "item_id": "i3", "event_type": "view", "timestamp": START + 45 * DAY_S}
    shop = write_csv(tmp_path / "data", [*sales(), late])
    state.users.link("u0", "c1")
    state.events.append([LiveEvent("e", "view", (START + 45 * DAY_S) * US, visitor_id="c1", item_id="i3")])
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert rows(dataset, "u0")[:2] == [("i3", 45 * DAY_S), ("i1", 36 * DAY_S)]
    assert (report(dataset).n_in_tables, report(dataset).n_linked) == (1, 1)


def test_an_erased_user_is_gone_from_tables_state_and_profiles(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    write_csv(shop, [{"user_id": f"u{n}", "age": 20 + n} for n in range(6)], "users.csv")
    state.events.append([did("u0", "i4", START + 41 * DAY_S), did("u1", "i4", START + 41 * DAY_S)])
    state.users.erase("u0", now_us=(START + 50 * DAY_S) * US)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert "u0" not in dataset.user_ids
    assert dataset.report.n_erased == 7
    assert report(dataset).n_profiles_erased == 1
    assert "events: 7 rows of erased users are left out" in dataset.report.lines()
    assert rows(dataset, "u1")[0] == ("i4", 41 * DAY_S)


def test_who_comes_back_after_an_erasure_begins_anew(read: Read, state: State) -> None:
    """The table's sale of day 36 is after the erasure; the second of the erasure itself is erased."""
    state.users.erase("u0", now_us=(START + 30 * DAY_S) * US)
    state.events.append([did("u0", "i3", START + 60 * DAY_S)])
    dataset = read()
    assert rows(dataset, "u0") == [("i3", 60 * DAY_S), ("i1", 36 * DAY_S)]
    assert dataset.report.n_erased == 6


def test_visitors_of_an_erased_user_are_erased_with_them(tmp_path: Path, state: State) -> None:
    theirs = {"user_id": "v:c1", "item_id": "i3", "event_type": "view", "timestamp": START}
    shop = write_csv(tmp_path / "data", [*sales(), theirs])
    state.users.link("u0", "c1")
    state.users.erase("u0", now_us=(START + 50 * DAY_S) * US)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert not {"u0", "v:c1"} & set(dataset.user_ids)


def test_events_that_were_put_back_after_an_erasure_stay_out(read: Read, state: State) -> None:
    """A store that was restored from a backup may hold them again; the erasure is remembered beside them."""
    gathered = StateTables.read(state)
    state.users.erase("u9", now_us=(START + 50 * DAY_S) * US)
    state.events.append([did("u8", "i3", START + 20 * DAY_S)])
    events = StateTables.read(state).events.with_columns(user_id=pl.lit("u9"))
    restored = replace(StateTables.read(state), events=events)
    assert gathered.erasures == {}
    assert restored.erased().to_list() == [True]


def test_until_cuts_the_state_as_well(read: Read, state: State) -> None:
    state.events.append([did("u0", "i9", START + 10 * DAY_S), did("u0", "i8", START + 20 * DAY_S)])
    dataset = read(until=START + 20 * DAY_S)
    assert "i9" in dataset.item_ids
    assert "i8" not in dataset.item_ids
    assert (report(dataset).n_kept, report(dataset).n_after_until) == (1, 1)


def test_the_rules_of_cleaning_are_those_of_tables(read: Read, state: State) -> None:
    state.events.append(
        [
            did("u0", "i1", NOW + 30 * DAY_S),
            did("u\x07", "i1", START + 50 * DAY_S),
            did("u0", "", START + 50 * DAY_S, "search", query="tea"),
            did("u0", "i1", START + 51 * DAY_S, "Add-To Cart"),
        ]
    )
    dataset = read()
    assert report(dataset).rejected == {"bad_id": 1, "far_future": 1}
    assert (report(dataset).n_searches, report(dataset).n_kept) == (1, 1)
    assert "add_to_cart" in dataset.event_types
    told = report(dataset)
    assert told.n_events == told.n_kept + told.n_in_tables + told.n_searches + sum(told.rejected.values())


def test_many_pages_of_events_are_read(read: Read, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.state_tables.PAGE", 7)
    events = [did("u0", "i1", START + 60 * DAY_S + n) for n in range(21)]
    state.events.append(events)
    assert report(read()).n_kept == 21
    state.events.append([did("u0", "i1", START + 90 * DAY_S)])
    assert report(read()).n_kept == 22
