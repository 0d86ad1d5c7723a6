"""What became of the lists that were shown: placements, and the events that followed from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from index.state_tables import PAGE, event_pages
from recsys.asker import VISITOR
from recsys.stores.event_ids import event_type_spelled
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent, ShownSlate

CLICK_TYPES = ("view", "click")
TARGET_TYPES = ("purchase",)
_Z = 1.959963984540054  # of a two-sided 95 % interval
_KEY = ["request_id", "item_id"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of ``n`` and its Wilson score interval at 95 % (Wilson 1927); NaN of nothing."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, n_hits: int, n: int) -> Rate:
        """The share n_hits / n."""
        if not n:
            return cls(math.nan, math.nan, math.nan)
        share, spread = n_hits / n, _Z * _Z / n
        middle = (share + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
        # At a share of 0 and 1 the interval ends there exactly, which rounding may miss.
        return cls(share, 0.0 if not n_hits else middle - half, 1.0 if n_hits == n else middle + half)


@dataclass(frozen=True, slots=True)
class Line:
    """Of one part of the placements: how many were shown, clicked and converted, each at most once a placement."""

    name: str
    n_shown: int
    n_clicked: int
    n_converted: int

    @property
    def click_through(self) -> Rate:
        """Clicked of shown."""
        return Rate.of(self.n_clicked, self.n_shown)

    @property
    def conversion(self) -> Rate:
        """Converted of shown."""
        return Rate.of(self.n_converted, self.n_shown)

    def to_json(self) -> dict[str, Any]:
        """Counts and rates."""
        rates = {"click_through": asdict(self.click_through), "conversion": asdict(self.conversion)}
        return {"n_shown": self.n_shown, "n_clicked": self.n_clicked, "n_converted": self.n_converted, **rates}


@dataclass(frozen=True, slots=True)
class Feedback:
    """placements: a row a place of a list: request_id, item_id, user_id (null: of nobody known), time_us, position
    (from 1), serving_config, variant, exploration (explored or ranked), sources (list), clicked, converted, taken_us:
    of the first event that says so, null without one.

    n_slates: of which n_joined have an event · n_events: of click and target types, of which n_without follow from no
    answer, n_unknown from one that was not logged, and n_elsewhere concern an item that was not in its list.
    """

    placements: pl.DataFrame
    n_slates: int
    n_joined: int
    n_events: int
    n_without: int
    n_unknown: int
    n_elsewhere: int

    @classmethod
    def read(
        cls,
        state: State,
        *,
        click_types: Collection[str] = CLICK_TYPES,
        target_types: Collection[str] = TARGET_TYPES,
        since_us: int = 0,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Feedback:
        """All lists shown since then, with the events that bring their request_id back.

        An event belongs to a place by request and item, whenever it was: nobody has a token before the answer.
        """
        links = dict(state.users.links())
        placements = placements_in(state, since_us, links, advance)
        clicks, targets = ({event_type_spelled(name) for name in names} for names in (click_types, target_types))
        events = _events(state, since_us, clicks | targets, advance)
        told = events.filter(pl.col("request_id") != "")
        kinds = told.group_by(_KEY).agg(
            clicked=pl.col("event_type").is_in(clicks).any(),
            converted=pl.col("event_type").is_in(targets).any(),
            taken_us=pl.col("time_us").min(),
        )
        placements = placements.join(kinds, on=_KEY, how="left", maintain_order="left").with_columns(
            pl.col("clicked", "converted").fill_null(False)
        )
        requests = placements.select("request_id").unique()
        known = told.join(requests, on="request_id", how="semi")
        there = known.join(placements, on=_KEY, how="semi")
        return cls(
            placements,
            n_slates=requests.height,
            n_joined=there["request_id"].n_unique(),
            n_events=events.height,
            n_without=events.height - told.height,
            n_unknown=told.height - known.height,
            n_elsewhere=known.height - there.height,
        )

    def lines(self, by: str) -> list[Line]:
        """Parts of the placements by one of ``PARTS``.

        A place counts for every source that proposed its item. Positions in order, all else the most shown first;
        lists outside experiments are in no variant, and where nothing was explored there is nothing to hold beside it.
        """
        if by == "exploration" and not (self.placements["exploration"] == EXPLORED).any():
            return []
        column = "sources" if by == "source" else by
        rows = self.placements.select(pl.col(column).alias("name"), "clicked", "converted")
        rows = rows.explode("name") if by == "source" else rows
        rows = rows.drop_nulls("name").filter(pl.col("name").cast(pl.String) != "")
        counts = rows.group_by("name").agg(pl.len().alias("shown"), pl.col("clicked").sum(), pl.col("converted").sum())
        # A position's name is its place; of other parts the most shown come first.
        order, down = (["name"], [False]) if by == "position" else (["shown", "name"], [True, False])
        ordered = counts.sort(order, descending=down)
        return [Line(str(name), shown, clicked, converted) for name, shown, clicked, converted in ordered.iter_rows()]

    def total(self) -> Line:
        """Of all placements."""
        clicked, converted = (int(self.placements[name].sum()) for name in ("clicked", "converted"))
        return Line("all", self.placements.height, clicked, converted)

    def to_json(self) -> dict[str, Any]:
        """Everything but the placements."""
        parts = {by: {line.name: line.to_json() for line in self.lines(by)} for by in PARTS}
        counts = {
            "slates": {"n": self.n_slates, "n_without_event": self.n_slates - self.n_joined},
            "events": {
                "n": self.n_events,
                "n_without_request": self.n_without,
                "n_of_unknown_request": self.n_unknown,
                "n_of_item_elsewhere": self.n_elsewhere,
            },
        }
        return {**counts, "all": self.total().to_json(), "by": parts}


EXPLORED = "explored"
PARTS = ("serving_config", "position", "source", "variant", "exploration")


def acted_on(state: State, advance: Callable[[int], None] = lambda _: None) -> pl.DataFrame:
    """user_id, item_id and time_us of every event that somebody did with an item."""
    links = dict(state.users.links())
    schema = {"user_id": pl.String, "item_id": pl.String, "time_us": pl.Int64}
    frames = [pl.DataFrame(schema=schema)]
    for page, _ in event_pages(state):
        rows = [(owner_of(e.user_id, e.visitor_id, links), e.item_id, e.time_us) for e in page if e.item_id]
        frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
        advance(len(page))
    return pl.concat(frames)


def owner_of(user_id: str, visitor_id: str, links: Mapping[str, str]) -> str | None:
    """Whom a rebuild takes somebody for; None for nobody known."""
    if user_id or not visitor_id:
        return user_id or None
    return links.get(visitor_id) or VISITOR + visitor_id


def placements_in(
    state: State, since_us: int, links: Mapping[str, str], advance: Callable[[int], None] = lambda _: None
) -> pl.DataFrame:
    """The columns of ``Feedback.placements`` up to sources, of lists shown since then; links: visitor_id -> user_id."""
    frames = [_slate_frame([], links)]
    position = 0
    while True:
        page, position = state.slates.since(position, PAGE)
        frames.append(_slate_frame([slate for slate in page if slate.time_us >= since_us], links))
        advance(len(page))
        if len(page) < PAGE:
            break
    # A list whose log entry came twice was shown once.
    return pl.concat(frames).unique(_KEY, keep="first", maintain_order=True)


def _slate_frame(slates: Sequence[ShownSlate], links: Mapping[str, str]) -> pl.DataFrame:
    rows = [
        (
            slate.request_id,
            item.item_id,
            owner_of(slate.user_id, slate.visitor_id, links),
            slate.time_us,
            position,
            slate.serving_config,
            f"{slate.experiment}: {slate.variant}" if slate.experiment else "",
            EXPLORED if item.is_exploration else "ranked",
            list(item.sources),
        )
        for slate in slates
        for position, item in enumerate(slate.items, start=slate.first_position)
    ]
    schema: dict[str, Any] = {
        "request_id": pl.String,
        "item_id": pl.String,
        "user_id": pl.String,
        "time_us": pl.Int64,
        "position": pl.Int32,
        "serving_config": pl.String,
        "variant": pl.String,
        "exploration": pl.String,
        "sources": pl.List(pl.String),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _events(state: State, since_us: int, types: Collection[str], advance: Callable[[int], None]) -> pl.DataFrame:
    frames = [_event_frame([])]
    for page, _ in event_pages(state):
        frames.append(
            _event_frame([e for e in page if e.time_us >= since_us and event_type_spelled(e.event_type) in types])
        )
        advance(len(page))
    return pl.concat(frames)


def _event_frame(events: Sequence[LiveEvent]) -> pl.DataFrame:
    rows = [(e.request_id, e.item_id, event_type_spelled(e.event_type), e.time_us) for e in events]
    schema: dict[str, Any] = dict.fromkeys(("request_id", "item_id", "event_type"), pl.String)
    schema["time_us"] = pl.Int64
    return pl.DataFrame(rows, schema=schema, orient="row")
