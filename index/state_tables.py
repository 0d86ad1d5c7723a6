"""What a state store has gathered since the tables were written, as frames that can be laid over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from recsys.asker import VISITOR
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent, LiveItem, Value, erasure_digest

# Events are asked for in pages: as objects they are ten times as large as in a frame.
PAGE = 10_000
US = 1_000_000
_EVENTS: Mapping[str, Any] = {
    "user_id": pl.String,
    "visitor_id": pl.String,
    "item_id": pl.String,
    "event_type": pl.String,
    "time_us": pl.Int64,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "value": pl.Float64,
    "session_id": pl.String,
    "query": pl.String,
    "platform": pl.String,
    "event_id": pl.String,
    "request_id": pl.String,
}
_TEXTS = [name for name, dtype in _EVENTS.items() if dtype == pl.String]


@dataclass(frozen=True, slots=True)
class StateTables:
    """The contents of a state store.

    events: user_id, visitor_id, item_id, event_type, time_us, quantity, price, value, session_id, query, platform,
    event_id, request_id, null = not given, in the order they were kept · items: changes, by item_id · profiles: user_id
    -> attribute -> value, None where it was cleared · links: visitor_id -> user_id · erasures: digest -> epoch
    microseconds of the last erasure · position: of the last event. A million events take about 0.2 GB.
    """

    events: pl.DataFrame
    items: tuple[LiveItem, ...]
    profiles: Mapping[str, Mapping[str, Value | None]]
    links: Mapping[str, str]
    erasures: Mapping[bytes, int]
    position: int

    @classmethod
    def read(cls, state: State, advance: Callable[[int], None] = lambda _: None) -> StateTables:
        """All of ``state``; ``advance`` is told the length of every page. StateUnavailable when it cannot be read."""
        frames = [_frame([])]
        position = 0
        for page, after in event_pages(state):
            frames.append(_frame(page))
            position = after
            advance(len(page))
        items, _ = state.items.changed_since(0)
        profiles = dict(state.users.profiles())
        links = dict(state.users.links())
        # Last: who is erased while this is read must not come back by what was read before.
        erasures: dict[bytes, int] = {}
        for one in state.users.erasures():
            erasures[one.digest] = max(one.erased_us, erasures.get(one.digest, one.erased_us))
        return cls(pl.concat(frames), tuple(items), profiles, links, erasures, position)

    def erased(self) -> pl.Series:
        """bool (n,): events of who was erased then or later: the user, the visitor or whom they are linked to."""
        if not self.erasures:
            return pl.repeat(False, self.events.height, dtype=pl.Boolean, eager=True)
        visitors = self.events["visitor_id"].set(self.events["user_id"].is_not_null(), None)
        linked = visitors.replace_strict(self.links, default=None, return_dtype=pl.String)
        until = [
            self._erased_until("user", self.events["user_id"]),
            self._erased_until("visitor", visitors),
            self._erased_until("user", linked),
        ]
        last = pl.max_horizontal(*(pl.lit(one) for one in until))
        return self.events.select((pl.col("time_us") <= last).fill_null(False)).to_series()

    def owners(self) -> pl.Series:
        """Text (n,): whose each event is: the user's, or whom the visitor is linked to, else ``v:<visitor_id>``."""
        visitor = pl.col("visitor_id")
        linked = visitor.replace_strict(self.links, default=None, return_dtype=pl.String)
        owner = pl.coalesce("user_id", linked, pl.lit(VISITOR) + visitor).alias("user_id")
        # A caller may use the name that a rebuild gives to visitors.
        return self.linked(self.events.select(owner).to_series())

    def erased_ids(self, user_ids: pl.Series) -> pl.Series:
        """int64 (n,): until when, in epoch seconds, what a table says of each user is erased; null where nothing is.

        An id ``v:<visitor_id>`` is erased with its visitor.
        """
        visitors = user_ids.set(~user_ids.str.starts_with(VISITOR).fill_null(False), None).str.strip_prefix(VISITOR)
        until = [self._erased_until("user", user_ids), self._erased_until("visitor", visitors)]
        return pl.select(pl.max_horizontal(*(pl.lit(one) for one in until)) // US).to_series()

    def linked(self, user_ids: pl.Series) -> pl.Series:
        """``user_ids`` of a table with visitors, ``v:<visitor_id>``, who are linked as whom they are linked to."""
        return user_ids.replace({VISITOR + visitor: user for visitor, user in self.links.items()})

    def _erased_until(self, kind: str, ids: pl.Series) -> pl.Series:
        """int64 (n,) epoch microseconds, null where there is no erasure. Each distinct id is digested once."""
        found = {
            id: until
            for id in (ids.drop_nulls().unique().to_list() if self.erasures else ())
            if (until := self.erasures.get(erasure_digest(kind, id))) is not None
        }
        return ids.replace_strict(found, default=None, return_dtype=pl.Int64)


def event_pages(state: State) -> Iterator[tuple[list[LiveEvent], int]]:
    """Pages of the events, none of them empty, and the position after each."""
    position = 0
    while True:
        page, position = state.events.since(position, PAGE)
        if page:
            yield page, position
        # A shorter page is the end: a server that goes on writing must not keep this from ending.
        if len(page) < PAGE:
            return


def _frame(events: list[LiveEvent]) -> pl.DataFrame:
    columns = {name: [getattr(event, name) for event in events] for name in _EVENTS}
    frame = pl.DataFrame(columns, schema=dict(_EVENTS))
    return frame.with_columns(pl.col(_TEXTS).replace("", None))
