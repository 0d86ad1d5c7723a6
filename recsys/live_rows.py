"""What people did, in a snapshot's numbers: what it knows itself, and what a state store has kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.asker import VISITOR
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.recent import SEARCH, SECOND_US, EventRules
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent, erasure_digest

# Events are asked for in pages: as objects they are ten times as large as in arrays. Small ones, for whoever erases
# somebody waits for a read to end.
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns (n,) as in ``Interactions`` · is_visitors (n,): what somebody did who was no user then."""

    users: Int32
    items: Int32
    times: Int64
    weights: Float32
    targets: Bool
    is_visitors: Bool

    @classmethod
    def of(cls, histories: Histories) -> Rows:
        """Of a snapshot."""
        users = np.repeat(np.arange(len(histories), dtype=np.int32), np.diff(histories.starts))
        nobody = np.broadcast_to(np.False_, users.shape)
        return cls(users, histories.items, histories.times, histories.weights, histories.targets, nobody)

    @classmethod
    def read(
        cls, state: State, owners: Numbers, items: Numbers, rules: EventRules, links: Mapping[str, str]
    ) -> tuple[Rows, int]:
        """Everything that ``state`` has kept and that counts by ``rules``, and the position of the last event."""
        position, pages = 0, []
        while True:
            page, position = state.events.since(position, PAGE)
            if page:
                pages.append(_columns(page, owners, items, rules, links))
            # A shorter page is the end: a server that goes on writing must not keep this from ending.
            if len(page) < PAGE:
                break
        types = (np.int32, np.int32, np.int64, np.float32, np.bool_, np.bool_)
        columns = (
            np.concatenate([page[place] for page in pages]).astype(of) if pages else np.empty(0, of)
            for place, of in enumerate(types)
        )
        users, what, times, weights, targets, is_visitors = map(frozen, columns, types)
        return cls(users, what, times, weights, targets, is_visitors), position

    def where(self, mask: Bool) -> Rows:
        """Those of ``mask`` (n,)."""
        return self if mask.all() else Rows(*(frozen(getattr(self, name)[mask], None) for name in Rows.__slots__))

    def without(self, erased_until: Int64 | None) -> Rows:
        """Without what users did up to ``erased_until`` (n_users,), epoch seconds."""
        return self if erased_until is None else self.where(self.times > erased_until[self.users])

    def owned_by(self, owners: Int32) -> Rows:
        """The same as those of ``owners`` (n_users,)."""
        return replace(self, users=frozen(owners[self.users], np.int32))


class Numbers:
    """Numbers of ids: those of ``known``, and from its end on others as they come."""

    def __init__(self, known: IdMap) -> None:
        self._known = known
        self.late: dict[str, int] = {}

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self._known) + len(self.late)

    def of(self, ids: Sequence[str]) -> Int32:
        """(n,) numbers of ``ids``."""
        numbers = self._known.numbers(ids)
        for place in np.flatnonzero(numbers < 0).tolist():
            numbers[place] = self.late.setdefault(ids[place], self.n)
        return numbers


def owned(users: IdMap, owners: Numbers, links: Mapping[str, str]) -> Int32:
    """(n_users,) whose the rows of each user of a snapshot are now that its visitors are linked as ``links`` say."""
    found = np.arange(len(users), dtype=np.int32)
    visitors = users.numbers([VISITOR + visitor for visitor in links])
    known = visitors >= 0
    found[visitors[known]] = owners.of(list(links.values()))[known]
    return found


def erased(state: State, users: IdMap) -> Int64 | None:
    """(n_users,) up to when (epoch seconds) each user of a snapshot is erased, -1 never; None where nobody is."""
    until: dict[bytes, int] = {}
    for one in state.users.erasures():
        until[one.digest] = max(one.erased_us // SECOND_US, until.get(one.digest, -1))
    if not until:
        return None
    digests = (
        erasure_digest("visitor", id.removeprefix(VISITOR)) if id.startswith(VISITOR) else erasure_digest("user", id)
        for id in users.ids(np.arange(len(users)))
    )
    return np.array([until.get(digest, -1) for digest in digests], np.int64)


def _columns(
    page: Sequence[LiveEvent], owners: Numbers, items: Numbers, rules: EventRules, links: Mapping[str, str]
) -> tuple[Any, ...]:
    rows = []
    for event in page:
        if event.event_type == SEARCH or not event.item_id:
            continue
        weight = rules.weight(event)
        if weight is not None:
            # As a rebuild has it.
            owner = event.user_id or links.get(event.visitor_id) or VISITOR + event.visitor_id
            is_target, is_visitors = event.event_type in rules.target_types, not event.user_id
            rows.append((owner, event.item_id, event.time_us // SECOND_US, weight, is_target, is_visitors))
    ids, item_ids, *rest = zip(*rows, strict=True) if rows else ((),) * 6
    return owners.of(ids), items.of(item_ids), *map(np.array, rest)


def among(live: Rows, known: Rows, last_event_at: int) -> Bool:
    """(m,) whether ``known`` has the same: a rebuild may have taken in what the store still keeps."""
    old = live.times <= last_event_at
    found = np.zeros(len(old), np.bool_)
    if old.any():
        near = known.times >= live.times[old].min()
        names = ("users", "items", "times", "targets")
        found[old] = np.isin(_packed(live.where(old), names), _packed(known.where(near), names))
        alone = old & live.is_visitors & ~found
        found[alone] = np.isin(_packed(live.where(alone), names[1:]), _packed(known.where(near), names[1:]))
    return found


def _packed(rows: Rows, names: Sequence[str]) -> Any:
    """(n,) of bytes, equal where all of the columns ``names`` are."""
    table = np.empty(len(rows.times), [(name, getattr(rows, name).dtype) for name in names])
    for name in names:
        table[name] = getattr(rows, name)
    return table.view(np.dtype((np.void, table.dtype.itemsize)))
