"""What a user did lately, by the caller's word or as a state store keeps it, as if the snapshot had known it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.ids import IdMap
from recsys.query import History
from recsys.stores.records import LiveEvent

# What is predicted where a snapshot's manifest does not say.
USUAL_TARGETS = ("purchase",)
SEARCH = "search"
SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """time: epoch seconds, None = just now · value: of a rating, None unknown · event_id: of one event, "" none."""

    item_id: str
    event_type: str
    time: int | None = None
    value: float | None = None
    event_id: str = ""

    @classmethod
    def of(cls, event: LiveEvent, *, latest: int | None) -> RecentEvent:
        """Of a kept event, in whole seconds as the tables of a rebuild; later than ``latest`` counts as then."""
        time = event.time_us // SECOND_US
        time = time if latest is None else min(time, latest)
        return cls(event.item_id, event.event_type, time, event.value, event.event_id)


@dataclass(frozen=True, slots=True)
class EventRules:
    """How a snapshot's events became its histories.

    weights: by event type, {} = every type weighs 1 · target_types: what makes an item owned · min_value: an event of a
    lower value speaks against its item, None: none does.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    target_types: tuple[str, ...] = USUAL_TARGETS
    min_value: float | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> EventRules:
        """As the settings in a manifest have it."""
        events = config.get("events", {})
        targets = tuple(events.get("target_types", ())) or USUAL_TARGETS
        return cls(dict(events.get("weights", {})), targets, events.get("min_value"))

    def weight(self, event: RecentEvent) -> float | None:
        """What ``event`` weighs, 0 for a dislike; None for a type that the snapshot does not know."""
        if self.min_value is not None and event.value is not None and event.value < self.min_value:
            return 0.0 if not self.weights or event.event_type in self.weights else None
        return self.weights.get(event.event_type) if self.weights else 1.0


@dataclass(frozen=True, slots=True)
class Recent:
    """history: with the events in it · missing_ids: of items that the catalogue lacks · unknown_types: of events; both
    of what the caller told only.
    """

    history: History
    missing_ids: tuple[str, ...] = ()
    unknown_types: tuple[str, ...] = ()


def with_recent(
    history: History,
    events: Sequence[RecentEvent],
    items: IdMap,
    rules: EventRules,
    at: int,
    *,
    kept: Sequence[RecentEvent] = (),
) -> Recent:
    """``history``, and those of ``kept`` and then of ``events`` that happened before ``at`` (epoch seconds), newest
    first.

    Searches name no item and are left aside, and so are events of types that have no weight. Of events with one
    event_id the first counts, and none that the history has already: the same item at the same second, taken or not.
    """
    told = {event.event_id or position: event for position, event in reversed(list(enumerate([*kept, *events])))}
    of_items = [event for event in reversed(told.values()) if event.event_type != SEARCH]
    if not of_items:
        return Recent(history)
    numbers = items.numbers([event.item_id for event in of_items]).tolist()
    weights = [rules.weight(event) for event in of_items]
    rows = [
        (number, event.time if event.time is not None else at - 1, weight, event.event_type in rules.target_types)
        for event, number, weight in zip(of_items, numbers, weights, strict=True)
        if number >= 0 and weight is not None and (event.time is None or event.time < at)
    ]
    new = _unknown(history, rows) if rows else []
    missing: list[str] = []
    unknown: list[str] = []
    if events:
        named = set(map(id, events))
        for event, number, weight in zip(of_items, numbers, weights, strict=True):
            if id(event) in named:
                missing += [event.item_id] if number < 0 else []
                unknown += [event.event_type] if weight is None else []
    return Recent(
        _merged(history, new) if new else history, tuple(dict.fromkeys(missing)), tuple(dict.fromkeys(unknown))
    )


Row = tuple[int, int, float, bool]


def _unknown(history: History, rows: Sequence[Row]) -> list[Row]:
    """Those of ``rows`` that ``history`` has not."""
    earliest = min(time for _, time, _, _ in rows)
    end = int(np.searchsorted(-history.times, -earliest, side="right"))
    parts = (history.items[:end].tolist(), history.times[:end].tolist(), history.targets[:end].tolist())
    known = set(zip(*parts, strict=True))
    return [row for row in rows if (row[0], row[1], row[3]) not in known]


def merged(parts: Sequence[History]) -> History:
    """Histories of one person as one, newest first."""
    if len(parts) == 1:
        return parts[0]
    names = ("items", "times", "weights", "targets")
    return _ordered(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _merged(history: History, rows: Sequence[Row]) -> History:
    new_items, new_times, new_weights, new_targets = zip(*rows, strict=True)
    return _ordered(
        np.concatenate([history.items, np.array(new_items, np.int32)]),
        np.concatenate([history.times, np.array(new_times, np.int64)]),
        np.concatenate([history.weights, np.array(new_weights, np.float32)]),
        np.concatenate([history.targets, np.array(new_targets, np.bool_)]),
    )


def _ordered(items: Int32, times: Int64, weights: Float32, targets: Bool) -> History:
    # As tables of interactions are sorted: newest first, ties by item.
    order = np.lexsort((items, -times))
    return History(
        frozen(items[order], np.int32),
        frozen(times[order], np.int64),
        frozen(weights[order], np.float32),
        frozen(targets[order], np.bool_),
    )
