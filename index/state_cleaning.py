"""A state store's events, items and profiles by the rules of cleaning, over what the tables have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from index.cleaning_report import Rejections
from index.event_cleaning import (
    AFTER_UNTIL,
    CODES,
    ERASED,
    IS_ERASED,
    KEPT,
    KEPT_COLUMNS,
    SEARCH,
    outcomes,
    typed_events,
)
from index.state_merge import StateReport, in_tables
from index.state_overlay import with_changed_items, with_changed_profiles
from index.state_tables import US, StateTables
from recsys.asker import VISITOR
from recsys.decay import DAY_S


@dataclass(frozen=True, slots=True)
class Live:
    """Kept events of a state, and what became of the others."""

    events: pl.DataFrame
    report: StateReport


def live_events(state: StateTables, known: pl.DataFrame, *, now: int, until: int | None, tolerance_s: float) -> Live:
    """The events of ``state`` that keep the rules and are not among ``known``, the usable rows of the tables."""
    raw = state.events.with_columns(state.owners(), (pl.col("time_us") // US).alias("timestamp"))
    typed = typed_events(raw).with_columns(state.erased().alias(IS_ERASED))
    outcome = outcomes(typed, now=now, until=until, tolerance_s=tolerance_s)
    usable = outcome <= SEARCH
    copies = in_tables(typed, known) & usable
    kept = (outcome == KEPT) & ~copies
    of_visitors = kept & state.events["user_id"].is_null()
    unlinked = of_visitors & raw["user_id"].str.starts_with(VISITOR)
    events = typed.select(KEPT_COLUMNS).filter(kept)
    report = StateReport(
        n_events=typed.height,
        n_kept=events.height,
        n_in_tables=int(copies.sum()),
        n_erased=int((outcome == ERASED).sum()),
        n_after_until=int((outcome == AFTER_UNTIL).sum()),
        n_searches=int(((outcome == SEARCH) & ~copies).sum()),
        rejected=Rejections.of(outcome, CODES).counts,
        n_linked=int((of_visitors & ~unlinked).sum()),
        n_visitors=raw.filter(unlinked)["user_id"].n_unique(),
        position=state.position,
        gap_days=_gap_days(known, events),
    )
    return Live(events, report)


def _gap_days(known: pl.DataFrame, added: pl.DataFrame) -> float:
    last = known["time"].max()
    first = added.filter(pl.col("time") > last)["time"].min() if isinstance(last, int) else None
    return (first - last) / DAY_S if isinstance(first, int) and isinstance(last, int) else 0.0


def overlaid(
    items: pl.DataFrame | None, users: pl.DataFrame | None, state: StateTables, live: Live, *, named: set[str]
) -> tuple[pl.DataFrame | None, pl.DataFrame | None, Live]:
    """Items and users as the state has them, erased users without their rows."""
    n_erased = 0
    if users is not None:
        forgotten = state.erased_ids(users["user_id"]).is_not_null()
        n_erased = int(forgotten.sum())
        users = users.filter(~forgotten)
    known_items = set() if items is None else set(items["item_id"].to_list())
    known_users = set() if users is None else set(users["user_id"].to_list())
    items, unfit = with_changed_items(items, state.items, named)
    users = with_changed_profiles(users, state.profiles)
    there = [one for one in state.items if not one.is_deleted]
    now_items = set() if items is None else set(items["item_id"].to_list())
    report = replace(
        live.report,
        n_profiles_erased=n_erased,
        n_items_changed=sum(one.item_id in known_items for one in there),
        n_items_new=len(now_items - known_items),
        n_items_deleted=sum(one.is_deleted for one in state.items),
        unfit=unfit,
        n_profiles=len(state.profiles),
        n_profiles_new=len(set(state.profiles) - known_users),
    )
    return items, users, replace(live, report=report)
