"""What the contract of stores is tested with, and short ways to read it back."""

from __future__ import annotations

from time import monotonic

from recsys.stores.protocols import State
from recsys.stores.records import (
    LiveEvent,
    LiveItem,
    Person,
    ShownItem,
    ShownSlate,
)

DAY_US = 86_400_000_000
NOW = 1_767_225_600_000_000  # 2026-01-01
TEA = LiveEvent(
    event_id="e-1",
    event_type="purchase",
    time_us=NOW,
    user_id="anna",
    visitor_id="phone",
    item_id="tea",
    quantity=2.0,
    price=3.5,
    currency_code="EUR",
    session_id="s",
    query="grüner Tee 茶",
    platform="app",
    value=0.1,
    request_id="r",
)
SLATE = ShownSlate(
    request_id="r",
    time_us=NOW,
    user_id="anna",
    visitor_id="phone",
    serving_config="home",
    snapshot_version="v",
    items=(ShownItem("tea", ("als", "popular"), True, 0.25), ShownItem("茶")),
    first_position=21,
    platform="app",
    features_digest="f",
    experiment="x",
    variant="b",
)


def seen(event_id: str, time_us: int = NOW, *, user_id: str = "", visitor_id: str = "") -> LiveEvent:
    return LiveEvent(event_id, "view", time_us, user_id=user_id, visitor_id=visitor_id, item_id="tea")


def ids(person: Person) -> list[str]:
    return [event.event_id for event in person.events]


def who(state: State, user_id: str = "", visitor_id: str = "", most_events: int = 100) -> Person:
    return state.users.person(user_id, visitor_id, most_events=most_events)


def item(state: State, item_id: str = "tea") -> LiveItem:
    found = state.items.get(item_id)
    assert found is not None
    return found


def shown(state: State, n_slates: int) -> tuple[list[ShownSlate], int]:
    """All slates, once there are so many: they may be kept a moment later."""
    until = monotonic() + 10
    while len(state.slates.since(0, 100)[0]) < n_slates:
        assert monotonic() < until
    return state.slates.since(0, 100)
