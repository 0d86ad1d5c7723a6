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

    def weight(self, event: RecentEvent | LiveEvent) -> float | None:
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
    event_id the first counts, and none that is known already: of ``kept`` what the history has, of ``events`` what
    either has, which is the same item at the same second, both taken or both not.
    """
    once = {event.event_id or position: event for position, event in reversed(list(enumerate([*kept, *events])))}
    of_items = [event for event in reversed(once.values()) if event.event_type != SEARCH]
    if not of_items:
        return Recent(history)
    numbers = items.numbers([event.item_id for event in of_items]).tolist()
    weights = [rules.weight(event) for event in of_items]
    told = set(map(id, events))
    rows: list[Row] = []
    told_rows: list[Row] = []
    missing: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for event, number, weight in zip(of_items, numbers, weights, strict=True):
        is_told = id(event) in told
        if is_told and number < 0:
            missing[event.item_id] = None
        if is_told and weight is None:
            unknown[event.event_type] = None
        if number >= 0 and weight is not None and (event.time is None or event.time < at):
            time = event.time if event.time is not None else at - 1
            (told_rows if is_told else rows).append((number, time, weight, event.event_type in rules.target_types))
    new = _new(history, rows, told_rows) if rows or told_rows else []
    return Recent(_with_rows(history, new) if new else history, tuple(missing), tuple(unknown))


Row = tuple[int, int, float, bool]


def _new(history: History, kept: Sequence[Row], told: Sequence[Row]) -> list[Row]:
    """Those of ``kept`` that ``history`` has not, and those of ``told`` that neither has."""
    earliest = min(time for _, time, _, _ in (*kept, *told))
    end = int(np.searchsorted(-history.times, -earliest, side="right"))
    parts = (history.items[:end].tolist(), history.times[:end].tolist(), history.targets[:end].tolist())
    known = set(zip(*parts, strict=True))
    new = [row for row in kept if (row[0], row[1], row[3]) not in known]
    known.update((row[0], row[1], row[3]) for row in kept)
    return [*new, *(row for row in told if (row[0], row[1], row[3]) not in known)]


def merged(parts: Sequence[History]) -> History:
    """Histories of one person as one, newest first."""
    if len(parts) == 1:
        return parts[0]
    names = ("items", "times", "weights", "targets")
    return _ordered(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _with_rows(history: History, rows: Sequence[Row]) -> History:
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
