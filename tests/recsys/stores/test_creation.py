"""When an item was created first, which decides its number: the same for every engine."""

from __future__ import annotations

from recsys.stores.protocols import State
from recsys.stores.records import ItemChange, LiveItem

NOW_US = 1_500_000_000_000_000


def kept(state: State, item_id: str) -> LiveItem:
    found = state.items.get(item_id)
    assert found is not None
    return found


def created(state: State, *item_ids: str) -> None:
    changes = [ItemChange(item_id, {"title": item_id}) for item_id in item_ids]
    assert all(state.items.upsert(changes, existing=(), create=True, now_us=NOW_US))


def test_an_item_keeps_the_version_it_was_created_in_whatever_becomes_of_it(state: State) -> None:
    created(state, "b")
    first = kept(state, "b").created_version
    created(state, "a", "c")
    second = kept(state, "a").created_version
    assert 0 < first < second == kept(state, "c").created_version

    created(state, "b")
    assert kept(state, "b").created_version == first
    state.items.delete(["b"], existing=())
    assert (kept(state, "b").is_deleted, kept(state, "b").created_version) == (True, first)
    created(state, "b")
    again = kept(state, "b")
    assert (again.is_deleted, again.created_version) == (False, first)
    changed, _ = state.items.changed_since(second)
    assert [(item.item_id, item.created_version) for item in changed] == [("b", first)]


def test_what_the_snapshot_has_was_not_created_here(state: State) -> None:
    state.items.upsert([ItemChange("known", {"price": 2.0})], existing={"known"}, create=True, now_us=NOW_US)
    assert kept(state, "known").created_version == 0
