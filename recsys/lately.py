"""Item statistics of now: what a snapshot knows of who took what, and what a state store has kept since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.asker import VISITOR
from recsys.decay import DAY_S, WEEK_S
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.recent import SEARCH, SECOND_US, EventRules
from recsys.statistics import ItemStatistics
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent

# Events are asked for in pages: as objects they are ten times as large as in arrays.
PAGE = 10_000
# Where live events are but a part of what happens, counting them as all of it would say that everything is forgotten.
LEAST_PACE = 0.5
PACE_WEEKS = 4.0


@dataclass(frozen=True, slots=True)
class Lately:
    """n_events that the snapshot lacks · pace: how many of a target type there were a day, as a share of what there
    were in the snapshot's last four weeks; infinite after none · statistics: with them, None where the pace is below
    ``LEAST_PACE``.
    """

    n_events: int
    pace: float
    statistics: ItemStatistics | None


def counted_lately(
    before: ItemStatistics,
    histories: Histories,
    *,
    users: IdMap,
    items: IdMap,
    rules: EventRules,
    last_event_at: int,
    state: State,
    at: int | None,
) -> Lately:
    """Statistics as of ``at`` (epoch seconds), None: just after the newest event.

    before: the snapshot's, ``last_event_at`` its end. What bears a later time than ``at`` has happened all the same.
    Time: a second a million interactions, ten a million live events. Memory: 120 bytes each. StateUnavailable when the
    store cannot be read.
    """
    live = _Rows.read(state, users, items, rules)
    if at is None:
        at = max(last_event_at, int(live.times.max(initial=0))) + 1
    times = np.minimum(live.times, at - 1)
    known = _Rows.of(histories)
    is_new = ~_among(live.users, live.items, times, live.targets, known)
    fresh = is_new & live.targets & (times > last_event_at)
    pace = _pace(int(fresh.sum()), known, last_event_at, at)
    n_events = int(is_new.sum())
    if not n_events or pace < LEAST_PACE:
        return Lately(n_events, pace, None)
    interactions = Interactions.ordered(
        users=np.concatenate([known.users, live.users[is_new]]),
        items=np.concatenate([known.items, live.items[is_new]]),
        times=np.concatenate([known.times, times[is_new]]),
        weights=np.concatenate([known.weights, live.weights[is_new]]),
        targets=np.concatenate([known.targets, live.targets[is_new]]),
    )
    n_items = len(items)
    every = ItemStatistics.fit(interactions, n_items + len(live.late_items), at, fade_weeks=before.fade_weeks)
    arrivals = dict(zip(live.late_items, every.values[n_items:], strict=True))
    statistics = ItemStatistics(at, every.values[:n_items], every.newcomer, before.fade_weeks, arrivals)
    return Lately(n_events, pace, statistics)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns (n,) as in ``Interactions``; late_items: ids that the snapshot lacks, numbered on from its own."""

    users: Int32
    items: Int32
    times: Int64
    weights: Float32
    targets: Bool
    late_items: tuple[str, ...] = ()

    @classmethod
    def of(cls, histories: Histories) -> _Rows:
        users = np.repeat(np.arange(len(histories), dtype=np.int32), np.diff(histories.starts))
        return cls(users, histories.items, histories.times, histories.weights, histories.targets)

    @classmethod
    def read(cls, state: State, users: IdMap, items: IdMap, rules: EventRules) -> _Rows:
        """Everything that ``state`` has kept and that counts by ``rules``."""
        links = dict(state.users.links())
        owners, goods = _Numbers(users), _Numbers(items)
        pages = [_columns(page, owners, goods, rules, links) for page in _pages(state)]
        who, what, when, weights, targets = (
            np.concatenate([page[place] for page in pages]) if pages else np.empty(0) for place in range(5)
        )
        return cls(
            frozen(who, np.int32),
            frozen(what, np.int32),
            frozen(when, np.int64),
            frozen(weights, np.float32),
            frozen(targets, np.bool_),
            tuple(goods.late),
        )


class _Numbers:
    """Numbers of ids: those of ``known``, and from its end on others as they come."""

    def __init__(self, known: IdMap) -> None:
        self._known = known
        self.late: dict[str, int] = {}

    def of(self, ids: Sequence[str]) -> Int32:
        """(n,) numbers of ``ids``."""
        numbers = self._known.numbers(ids)
        for place in np.flatnonzero(numbers < 0).tolist():
            numbers[place] = self.late.setdefault(ids[place], len(self._known) + len(self.late))
        return numbers


def _pages(state: State) -> Iterator[list[LiveEvent]]:
    position = 0
    while True:
        page, position = state.events.since(position, PAGE)
        if page:
            yield page
        # A shorter page is the end: a server that goes on writing must not keep this from ending.
        if len(page) < PAGE:
            return


def _columns(
    page: Sequence[LiveEvent], owners: _Numbers, goods: _Numbers, rules: EventRules, links: Mapping[str, str]
) -> tuple[Any, ...]:
    rows = []
    for event in page:
        if event.event_type == SEARCH or not event.item_id:
            continue
        weight = rules.weight(event)
        if weight is not None:
            is_target = event.event_type in rules.target_types
            rows.append((_owner(event, links), event.item_id, event.time_us // SECOND_US, weight, is_target))
    who, what, *rest = zip(*rows, strict=True) if rows else ((),) * 5
    return owners.of(who), goods.of(what), *map(np.array, rest)


def _owner(event: LiveEvent, links: Mapping[str, str]) -> str:
    """The id that a rebuild would have the event under."""
    if event.user_id:
        return event.user_id
    return links.get(event.visitor_id) or VISITOR + event.visitor_id


def _among(users: Int32, items: Int32, times: Int64, targets: Bool, known: _Rows) -> Bool:
    """(m,) whether ``known`` has the same: a rebuild may have taken in what the store still keeps."""
    if not len(times):
        return np.zeros(0, np.bool_)
    near = known.times >= times.min()
    kinds = [("user", np.int32), ("item", np.int32), ("time", np.int64), ("target", np.bool_)]

    def packed(*columns: Any) -> Any:
        table = np.empty(len(columns[0]), kinds)
        for (name, _), column in zip(kinds, columns, strict=True):
            table[name] = column
        return table.view(np.dtype((np.void, table.dtype.itemsize)))

    here = packed(known.users[near], known.items[near], known.times[near], known.targets[near])
    found: Bool = np.isin(packed(users, items, times, targets), here)
    return found


def _pace(n_fresh: int, known: _Rows, last_event_at: int, at: int) -> float:
    """Target events a day since the snapshot's end, as a share of those of its last weeks."""
    since = last_event_at - int(PACE_WEEKS * WEEK_S)
    n_usual = int((known.targets & (known.times > since)).sum())
    days = max(min(PACE_WEEKS * WEEK_S, last_event_at - int(known.times.min(initial=last_event_at))), DAY_S) / DAY_S
    usual, lately = n_usual / days, n_fresh / max((at - last_event_at) / DAY_S, 1 / 24)
    return lately / usual if usual else float("inf")
