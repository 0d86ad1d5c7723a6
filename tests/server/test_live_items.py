"""The catalogue of now in one process: worked out once a change, and what stays when the store cannot be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys.ask import Ask
from recsys.errors import StateUnavailable
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore
from recsys.stores.opening import open_state
from recsys.stores.protocols import ItemStore, State
from recsys.stores.records import Inventory, ItemChange
from server.live import Live, Serving
from server.live_items import LiveItems
from server.state import LiveState

from .tiny_shop import LAST_EVENT_AT, publish_searchable

NOW_US = 1_500_000_000_000_000


class Cut:
    """A real store behind a connection that can be cut."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.is_cut = False

    def __getattr__(self, name: str) -> Any:
        if self.is_cut:
            raise StateUnavailable("cut")
        return getattr(self.state, name)


@pytest.fixture
def cut(tmp_path: Path) -> Iterator[Cut]:
    connection = Cut(open_state(str(tmp_path / "state")))
    yield connection
    connection.state.close()


@pytest.fixture
def serving(tmp_path: Path) -> Callable[[int], Serving]:
    """``serving(seed)``: another snapshot, loaded."""

    def loaded(seed: int) -> Serving:
        version = publish_searchable(tmp_path / "snapshots", seed=seed)
        return Serving.of(Snapshot.read(SnapshotStore(tmp_path / "snapshots").open(version)), since_s=0.0)

    return loaded


@pytest.fixture
def live(serving: Callable[[int], Serving]) -> Live:
    live = Live(StateUnavailable())
    live.swap(serving(1))
    return live


@pytest.fixture
def clock() -> list[float]:
    """The time by the clock of the connection to the store, to be changed."""
    return [0.0]


@pytest.fixture
def items(cut: Cut, live: Live, clock: list[float]) -> LiveItems:
    return LiveItems(live, LiveState(lambda: cut, lambda: clock[0]))  # type: ignore[arg-type,return-value]


def put(items: ItemStore, item_id: str, **fields: Any) -> None:
    # Each a moment later than the one before.
    now_us = NOW_US + items.version()
    assert items.upsert([ItemChange(item_id, fields)], existing=(), create=True, now_us=now_us) == [True]


def titles(serving: Serving) -> list[str]:
    catalogue = serving.snapshot.catalogue
    return catalogue.titles.many(range(60, len(catalogue)))


def test_without_changes_the_snapshot_itself_answers(items: LiveItems, live: Live) -> None:
    assert items.reading().get() is live.get()


def test_a_change_is_worked_out_once_and_what_did_not_change_is_the_same_object(items: LiveItems, cut: Cut) -> None:
    put(cut.state.items, "x", title="X")
    one = items.reading().get().snapshot
    assert items.reading().get().snapshot is one
    put(cut.state.items, "y", title="Y")
    other = items.reading().get()
    assert titles(other) == ["X", "Y"]
    assert titles(Serving(one, other.manifest, 0.0)) == ["X"], "an answer under way keeps its catalogue"


def test_while_the_store_cannot_be_asked_the_last_catalogue_stays_and_says_so(
    items: LiveItems, cut: Cut, clock: list[float]
) -> None:
    put(cut.state.items, "x", title="X")
    assert items.reading().get().is_current
    cut.is_cut = True
    for _ in range(3):
        serving = items.reading().get()
        assert (titles(serving), serving.is_current) == (["X"], False)
    cut.is_cut = False
    put(cut.state.items, "y", title="Y")
    clock[0] += 60.0
    serving = items.reading().get()
    assert (titles(serving), serving.is_current) == (["X", "Y"], True)


def test_a_new_snapshot_and_the_one_before_it_have_the_same_changes(
    items: LiveItems, cut: Cut, live: Live, serving: Callable[[int], Serving]
) -> None:
    put(cut.state.items, "x", title="X")
    put(cut.state.items, "2-i07", title="Changed")
    before = items.reading().get()
    assert titles(before) == ["X", "Changed"]
    live.swap(serving(2))
    reading = items.reading()
    assert titles(reading.get()) == ["X"], "the new snapshot knows the other one"
    assert reading.get().snapshot.catalogue.titles[7] == "Changed"
    again = reading.before(before.snapshot.version)
    assert again is not None
    assert again.snapshot is before.snapshot
    live.forget(float("inf"))
    items.forget()
    assert items.reading().before(before.snapshot.version) is None
    assert len(items._laid) == 1


def test_what_the_snapshot_says_itself_is_laid_over_it_once_its_stock_changes(items: LiveItems, cut: Cut) -> None:
    put(cut.state.items, "1-i07", title="Product 7 茶")
    put(cut.state.items, "x", title="X")
    before = items.reading().get().snapshot
    assert bool(before.catalogue.in_stock[7])
    sold_out = Inventory("1-i07", 2 * NOW_US, stock=0)
    assert cut.state.items.set_inventory(sold_out, exists=True, now_us=2 * NOW_US)
    now = items.reading().get().snapshot
    assert not now.catalogue.in_stock[7]
    assert "1-i07" not in now.answer(Ask(at=LAST_EVENT_AT + 1, limit=200))


def test_a_store_that_was_begun_anew_is_read_from_its_beginning(
    live: Live, tmp_path: Path, cut: Cut, items: LiveItems
) -> None:
    for title in ("A", "B", "C"):
        put(cut.state.items, "x", title=title)
    assert titles(items.reading().get()) == ["C"]
    former, cut.state = cut.state, open_state(str(tmp_path / "other"))
    former.close()
    put(cut.state.items, "y", title="Y")
    assert titles(items.reading().get()) == ["Y"]
