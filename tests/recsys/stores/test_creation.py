"""When an item was created first, which decides its number: the same for every engine."""

from __future__ import annotations

from recsys.stores.protocols import State
from recsys.stores.records import ItemChange, LiveItem

NOW_US = 1_500_000_000_000_000


def kept(state: State, item_id: str) -> LiveItem:
    found = state.items.get(item_id)
    assert found is not None
    return found


def created(state: State, *item_ids: str, now_us: int) -> None:
    changes = [ItemChange(item_id, {"title": item_id}) for item_id in item_ids]
    assert all(state.items.upsert(changes, existing=(), create=True, now_us=now_us))


def test_an_item_keeps_the_time_it_was_created_at_whatever_becomes_of_it(state: State) -> None:
    created(state, "b", now_us=NOW_US)
    created(state, "a", "c", now_us=NOW_US + 1)
    assert [kept(state, item_id).created_us - NOW_US for item_id in "abc"] == [1, 0, 1]

    created(state, "b", now_us=NOW_US + 2)
    assert kept(state, "b").created_us == NOW_US
    state.items.delete(["b"], existing=())
    assert (kept(state, "b").is_deleted, kept(state, "b").created_us) == (True, NOW_US)
    created(state, "b", now_us=NOW_US + 3)
    changed, _ = state.items.changed_since(0)
    assert [(item.item_id, item.is_deleted, item.created_us - NOW_US) for item in changed] == [
        ("a", False, 1),
        ("b", False, 0),
        ("c", False, 1),
    ]


def test_what_the_snapshot_has_was_not_created_here(state: State) -> None:
    state.items.upsert([ItemChange("known", {"price": 2.0})], existing={"known"}, create=True, now_us=NOW_US)
    assert kept(state, "known").created_us == 0
