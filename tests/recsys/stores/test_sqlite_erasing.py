"""No byte of an erased person is left in the files, however the pages of the file were shuffled before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recsys.stores.records import EventFilter, LiveEvent, ProfileChange, ShownItem, ShownSlate
from recsys.stores.sqlite.state import SqliteState

NOW = 1_767_225_600_000_000
N_PEOPLE = 80


def name(number: int) -> str:
    return f"user<{number:04}>"


def event(dice: random.Random, step: int) -> LiveEvent:
    """Of a user, their device, or both, with the name in every text."""
    owner = name(dice.randrange(N_PEOPLE))
    user_id, visitor_id = dice.choice(((owner, ""), ("", f"device of {owner}"), (owner, f"device of {owner}")))
    return LiveEvent(
        event_id=f"{dice.random()} {owner}",
        event_type="search",
        time_us=NOW + dice.randrange(10**12),
        user_id=user_id,
        visitor_id=visitor_id,
        session_id=f"{owner} {step}",
        query=f"gift for {owner} " * dice.choice((0, 1, 1, 5, 300)),
    )


def lived_in(folder: Path, *, seed: int) -> SqliteState:
    """A store after some thousand changes of all kinds, links, purges and erasures of others among them."""
    dice = random.Random(seed)
    state = SqliteState(folder)
    for number in range(N_PEOPLE):
        state.users.link(name(number), f"device of {name(number)}")
    for step in range(150):
        state.events.append([event(dice, step) for _ in range(40)])
        users = [name(dice.randrange(N_PEOPLE)) for _ in range(5)]
        profiles = [ProfileChange(user, {f"a{step % 7}": f"{user} " * dice.randrange(60)}) for user in users]
        state.users.upsert(profiles, existing=(), create=True)
        shown = (ShownItem(f"item of {users[0]}"),)
        state.slates.append([ShownSlate(f"r {step}", NOW, user, "", "home", "v", shown) for user in users[:1]])
        if step % 10 == 3:
            state.users.link(users[1], f"device of {users[0]}")
            state.users.link(users[0], f"device of {users[0]}")
        if step % 25 == 7:
            state.events.purge(EventFilter(user_id=users[0]), force=True)
    return state


def left_of(folder: Path, text: str) -> dict[str, int]:
    """How often ``text`` stands in each file that holds it."""
    counts = {path.name: path.read_bytes().count(text.encode()) for path in folder.iterdir()}
    return {file: count for file, count in counts.items() if count}


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_of_erased_people_is_left_in_any_file(tmp_path: Path, seed: int) -> None:
    state = lived_in(tmp_path, seed=seed)
    assert len(left_of(tmp_path, name(0))) > 0
    for number in range(0, N_PEOPLE, 3):
        receipt = state.users.erase(name(number), now_us=NOW + 10**12)
        assert receipt.n_events > 0
        assert left_of(tmp_path, name(number)) == {}
    # What the others have is whole.
    kept = list(range(1, N_PEOPLE, 3))
    assert all(state.users.person(name(number), "", most_events=1).events for number in kept)
    assert len(left_of(tmp_path, name(1))) > 0
    state.close()
    for number in range(0, N_PEOPLE, 3):
        assert left_of(tmp_path, name(number)) == {}


def test_space_of_purged_events_is_given_back(tmp_path: Path) -> None:
    state = SqliteState(tmp_path)
    dice = random.Random(0)
    for step in range(50):
        state.events.append([event(dice, step) for _ in range(100)])
    state.events.append([LiveEvent("kept", "view", NOW + 10**12, user_id="anna")])
    state.close()
    before = (tmp_path / "state.db").stat().st_size
    state = SqliteState(tmp_path)
    state.events.purge(EventFilter(until_us=NOW + 10**12), force=True)
    assert state.events.count() == 1
    assert state.events.append([LiveEvent("kept", "view", NOW, user_id="anna")]) == [False]
    state.close()
    assert (tmp_path / "state.db").stat().st_size < before / 10
    assert left_of(tmp_path, name(0)) == {}


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_profiles_that_grew_and_shrank_is_left(tmp_path: Path, seed: int) -> None:
    state = SqliteState(tmp_path)
    dice = random.Random(seed)
    for _ in range(12):
        users = [name(dice.randrange(400)) for _ in range(500)]
        changes = [ProfileChange(user, {"a": f"{user} " * dice.randrange(60)}) for user in users]
        state.users.upsert(changes, existing=(), create=True)
    erased = range(0, 400, 4)
    for number in erased:
        state.users.erase(name(number), now_us=NOW)
    assert [number for number in erased if left_of(tmp_path, name(number))] == []
    assert len(list(state.users.profiles())) == 300
    state.close()
