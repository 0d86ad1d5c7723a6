"""What every store promises (tests/recsys/stores/ holds each engine to it).

Whatever a method that changes something returned for is on disk, and every later read, by any process, sees it.
A store that is down, full or slow raises StateUnavailable; nothing of such a change need have been kept, and each may
be asked for again: all are idempotent. Methods may be called from many threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from recsys.arrays import Float32
from recsys.stores.records import (
    Erasure,
    EventFilter,
    Inventory,
    ItemChange,
    LiveEvent,
    LiveItem,
    Person,
    ProfileChange,
    Receipt,
    ShownSlate,
    Value,
)


class EventLog(Protocol):
    """Events in the order in which they were kept."""

    def append(self, events: Sequence[LiveEvent]) -> list[bool]:
        """Keep ``events``, all or none; True for each that is new, False for one whose event_id was kept before.

        What somebody who was erased did up to then is not kept: False too, as it may have been kept before.
        """

    def since(self, position: int, limit: int) -> tuple[list[LiveEvent], int]:
        """At most ``limit`` events kept after ``position`` (0: the beginning), in order, and where to go on."""

    def purge(self, chosen: EventFilter, *, force: bool) -> int:
        """How many events fit ``chosen``; with ``force`` they are deleted, and their ids may come again."""

    def count(self) -> int:
        """How many events are kept."""


class ItemStore(Protocol):
    """Changes of the catalogue. ``version`` grows with each change; it is cheap to ask for before every answer."""

    def version(self) -> int:
        """Of the last change; 0 before the first."""

    def changed_since(self, version: int) -> tuple[list[LiveItem], int]:
        """Items changed after ``version``, by item_id, and the version they are of."""

    def get(self, item_id: str) -> LiveItem | None:
        """What was changed of an item; None when nothing was."""

    def upsert(
        self, changes: Sequence[ItemChange], *, existing: Collection[str], create: bool, now_us: int
    ) -> list[bool]:
        """Set fields; False for an item that is missing: not in ``existing`` (what the snapshot has), not created here,
        or deleted, unless ``create``. Inventory held for a new item for at most a day is applied; a price or stock
        given here is of ``now_us``.
        """

    def set_inventory(self, inventory: Inventory, *, exists: bool, now_us: int) -> bool:
        """Apply what is not older than what is known, stock and price each by itself; True when anything was.

        exists: the snapshot has the item. For one that nobody knows it is held for a day.
        """

    def delete(self, item_ids: Sequence[str], *, existing: Collection[str]) -> list[bool]:
        """Take items out; False for one that is missing."""


class UserStore(Protocol):
    """People: profiles, links, erasures, and what they did lately."""

    def person(self, user_id: str, visitor_id: str, *, most_events: int) -> Person:
        """Who asks: the user, or the user that the visitor is linked to, or the visitor alone. One round trip."""

    def people(self, ids: Sequence[tuple[str, str]], *, most_events: int) -> list[Person]:
        """``person`` of each (user_id, visitor_id), in one round trip."""

    def count_events(self, person: Person) -> int:
        """How many events there are of the person."""

    def upsert(self, changes: Sequence[ProfileChange], *, existing: Collection[str], create: bool) -> list[bool]:
        """Set attributes; False for a user that is missing: not in ``existing``, or erased since, and without a profile
        here, unless ``create``.
        """

    def profiles(self) -> Iterator[tuple[str, Mapping[str, Value | None]]]:
        """All profiles, by user_id."""

    def link(self, user_id: str, visitor_id: str) -> str:
        """Link; the user that the visitor was linked to before, "" for none."""

    def unlink(self, user_id: str, visitor_id: str) -> bool:
        """Take a link back; False when there is none."""

    def links(self) -> Iterator[tuple[str, str]]:
        """All (visitor_id, user_id), by visitor_id."""

    def erase(self, user_id: str, *, now_us: int) -> Receipt:
        """Delete events, slates, profile and links of the user and of linked visitors, and remember that they are
        erased. Nothing of their ids or events is left in the store's files but the digests. What other users did on a
        device of theirs stays, without its visitor_id.
        """

    def erasures(self) -> Iterator[Erasure]:
        """All erasures, users' and visitors', by digest."""


class SlateLog(Protocol):
    """Lists that were shown. Best effort: they may be kept a moment later than ``append`` returns."""

    def append(self, slates: Sequence[ShownSlate]) -> None:
        """Keep ``slates``."""

    def since(self, position: int, limit: int) -> tuple[list[ShownSlate], int]:
        """As ``EventLog.since``."""


class VectorStore(Protocol):
    """Vectors of texts by encoder model and digest of the text, so that one worker's work serves all."""

    def put(self, model: str, vectors: Mapping[str, Float32]) -> None:
        """Keep vectors (d,) by digest."""

    def get(self, model: str, digests: Sequence[str]) -> dict[str, Float32]:
        """Those that are kept, by digest."""


class State(Protocol):
    """All stores of one engine."""

    @property
    def events(self) -> EventLog: ...
    @property
    def items(self) -> ItemStore: ...
    @property
    def users(self) -> UserStore: ...
    @property
    def slates(self) -> SlateLog: ...
    @property
    def vectors(self) -> VectorStore: ...

    def describe(self) -> str:
        """Engine, version and durability, for the operator, without secrets."""

    def close(self) -> None:
        """Let go of files and connections; what was acknowledged stays."""
