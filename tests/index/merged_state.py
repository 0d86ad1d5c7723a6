"""What tests of merged tables say and ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from index.dataset import Dataset
from index.state_merge import StateReport
from recsys.stores.event_ids import derived_event_id
from recsys.stores.records import LiveEvent

from .small_sales import DAY_S, START

NOW = START + 400 * DAY_S
US = 1_000_000
Read = Callable[..., Dataset]


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
