"""rebuild --state by the real command: what the state holds is in the snapshot, and what it says is gone is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index.cut import Cut
from index.dataset import load
from index.state_tables import StateTables
from recsys.ask import Ask
from recsys.model import Snapshot
from recsys.overlay.overlay import Basis
from recsys.snapshot.store import SnapshotStore
from recsys.stores.event_ids import derived_event_id
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import ItemChange, LiveEvent

Run = Callable[..., Any]
US = 1_000_000
LAST_DAY = 1_751_414_400  # after the shop's last event


@pytest.fixture
def data(corner_shop: Any, tmp_path: Path) -> Path:
    """The corner shop's tables."""
    folder: Path = corner_shop.write(tmp_path / "data", "[training]\nwindows = 2\n")
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    store = open_state(str(tmp_path / "state"))
    yield store
    store.close()


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    """The store that ``rebuild`` writes to."""
    return SnapshotStore(tmp_path / "snapshots")


def bought(user_id: str, item_id: str, at: int) -> LiveEvent:
    event = LiveEvent("", "purchase", at * US, user_id=user_id, item_id=item_id)
    return replace(event, event_id=derived_event_id(event))


def test_the_snapshot_has_what_the_state_has_and_lacks_whom_it_forgot(
    rebuild: Run, index_command: Run, data: Path, state: State, store: SnapshotStore, tmp_path: Path
) -> None:
    state.users.erase("user-003", now_us=(LAST_DAY + 1) * US)
    state.items.upsert([ItemChange("item-new", {"price": 3.3})], existing=(), create=True, now_us=LAST_DAY * US)
    state.items.delete(["item-05"], existing={"item-05"})
    news = [bought(f"user-{n:03d}", "item-new", LAST_DAY + n) for n in range(4, 14)]
    state.events.append([*news, bought("newcomer", "item-07", LAST_DAY)])

    ran = rebuild(data, "--state", tmp_path / "state")

    assert ran.code == 0, ran.err
    assert "state: 11 events, 0 already in the tables, 11 added" in ran.err
    assert "state: 1 new items, 0 changed, 1 deleted" in ran.err
    report = store.open(store.current()).json("report.json")
    assert report["cleaning"]["state"]["n_kept"] == 11
    assert report["cleaning"]["n_erased"] > 0
    snapshot = Snapshot.read(store.open(store.current()))
    assert snapshot.users.number("newcomer") is not None
    assert snapshot.last_event_at == LAST_DAY + 13
    number = snapshot.users.number("user-004")
    assert number is not None
    newest = int(snapshot.histories.of(number).items[0])
    assert snapshot.catalogue.items.id(newest) == "item-new"

    everything = Ask(at=LAST_DAY + 100, user_id="user-004", limit=200, include_out_of_stock=True)
    shown = snapshot.answer(everything)
    assert "item-new" in shown
    assert "item-05" not in shown
    assert snapshot.catalogue.items.number("item-05") is not None

    # Of what the snapshot has taken in, nothing is laid over it.
    assert Basis(snapshot).over(state.items.changed_since(0)[0], {}).snapshot is snapshot

    absent = index_command("verify", "--snapshots", tmp_path / "snapshots", "--absent", "user-003")
    assert absent.code == 0, absent.out
    present = index_command("verify", "--snapshots", tmp_path / "snapshots", "--absent", "user-004")
    assert present.code == 3


def test_the_same_state_gives_the_same_snapshot_and_another_state_other_rows(
    rebuild: Run, data: Path, state: State, store: SnapshotStore, tmp_path: Path
) -> None:
    """Rows of training windows that are kept on disk must not be those of another state."""
    until = "2025-05-01T12:00Z"
    state.events.append([bought("user-004", "item-07", 1_746_000_000)])
    assert rebuild(data, "--until", until, "--state", tmp_path / "state").code == 0
    first = store.manifest(store.current()).files
    assert rebuild(data, "--until", until, "--state", tmp_path / "state").code == 0
    second = store.manifest(store.current()).files
    assert {name for name in first if first[name] != second.get(name)} == {"report.json"}
    state.events.append([bought("user-005", "item-07", 1_740_000_000)])
    # Chosen again on rows that may be kept ones, then on rows made anew.
    assert rebuild(data, "--until", until, "--state", tmp_path / "state", "--reselect").code == 0
    other = store.manifest(store.current()).files
    assert other["arrays/histories.items.npy"] != first["arrays/histories.items.npy"]
    assert rebuild(data, "--until", until, "--state", tmp_path / "state", "--fresh").code == 0
    anew = store.manifest(store.current()).files
    assert {name for name in other if other[name] != anew.get(name)} == {"report.json"}


def test_a_state_that_does_not_exist_is_said_and_not_made(rebuild: Run, data: Path, tmp_path: Path) -> None:
    ran = rebuild(data, "--state", tmp_path / "nowhere")
    assert ran.code == 2
    assert ran.err.endswith(f"recsys-index: state folder {tmp_path / 'nowhere'} does not exist\n")
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "snapshots").exists()


def test_what_a_state_has_seen_after_a_split_is_part_of_the_truth(data: Path, state: State) -> None:
    split = LAST_DAY - 28 * 86_400
    plain = load(data, now=LAST_DAY, until=split)
    before = Cut.read(data, plain, start=split, end=None)
    state.events.append([bought("user-004", "item-29", LAST_DAY + 5), bought("user-005", "item-28", LAST_DAY + 6)])
    state.users.erase("user-006", now_us=LAST_DAY * US)
    gathered = StateTables.read(state)
    dataset = load(data, now=LAST_DAY, until=split, state=gathered)
    after = Cut.read(data, dataset, start=split, end=None, state=gathered)
    assert after.end == LAST_DAY + 7
    assert len(after.truths["all"]) == len(before.truths["all"]) - 1


def test_analyze_describes_the_tables_with_the_state(
    index_command: Run, data: Path, state: State, tmp_path: Path
) -> None:
    state.events.append([bought("newcomer", "item-07", LAST_DAY)])
    plain = index_command("analyze", "--data", data)
    merged = index_command("analyze", "--data", data, "--state", tmp_path / "state")
    assert (plain.code, merged.code) == (0, 0)
    assert "60 users" in plain.err
    assert "61 users" in merged.err
    assert "state: 1 events, 0 already in the tables, 1 added" in merged.err
