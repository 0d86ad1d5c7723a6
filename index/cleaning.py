"""Cleaning that is visible: every row that is not kept is counted under a reason, and the sums add up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from index.cells import number
from index.cleaning_report import CleaningReport, Rejections
from index.entity_cleaning import clean_items, clean_users
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
    with_duplicates,
)
from index.settings import Settings
from index.state_cleaning import live_events, overlaid
from index.state_tables import StateTables
from index.tables import Tables
from recsys.errors import InputError

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Clean:
    """Cleaned tables.

    events: user_id, item_id text, event_type categorical (in this project's spelling), time int64 epoch seconds,
    quantity, price, value float32 (null unknown), rows in file order, those of the state after them · items, users: see
    ``entity_cleaning`` · deleted: ids of items that events may name and no list may show.
    """

    events: pl.DataFrame
    items: pl.DataFrame | None
    users: pl.DataFrame | None
    report: CleaningReport
    deleted: frozenset[str] = frozenset()


def clean(
    tables: Tables, settings: Settings, *, now: int, until: int | None = None, state: StateTables | None = None
) -> Clean:
    """Keep what can be used and count the rest.

    now: epoch seconds, for events from the future · until: events at or after it are set aside before anything else is
    looked at, so that nothing from then can matter · state: is merged with the tables; its events keep the same rules,
    but however many break them, that is no reason to refuse. Raises InputError when too large a share is rejected or
    nothing is left. Peak memory about 120 bytes an event above the tables.
    """
    typed = typed_events(tables.events)
    if not tables.events.schema["timestamp"].is_temporal():
        _refuse_dates(typed["time"])
    hint = _milliseconds_hint(tables.events, typed["time"])
    items_table, users_table = tables.items, tables.users
    n_linked = 0
    if state is not None:
        erased = pl.DataFrame({"time": typed["time"], "until": state.erased_ids(typed["user_id"])})
        linked = state.linked(typed["user_id"])
        n_linked = int((linked != typed["user_id"]).sum())
        typed = typed.with_columns(
            linked, erased.select((pl.col("time") <= pl.col("until")).fill_null(False).alias(IS_ERASED)).to_series()
        )
    # From here on the raw events are of no use, and they are the largest thing in memory.
    del tables
    tolerance_s = settings.cleaning.future_tolerance_days * DAY_S
    outcome = outcomes(typed, now=now, until=until, tolerance_s=tolerance_s)
    outcome = with_duplicates(typed, outcome)
    events = typed.select(KEPT_COLUMNS).filter(outcome == KEPT)
    live = None
    if state is not None:
        known = typed.filter(outcome <= SEARCH)
        live = live_events(state, known, now=now, until=until, tolerance_s=tolerance_s)
        live = replace(live, report=replace(live.report, n_linked=live.report.n_linked + n_linked))
        events = pl.concat([events, live.events])
    rejections = Rejections.of(outcome, CODES)
    n_after_until, n_erased = (int((outcome == code).sum()) for code in (AFTER_UNTIL, ERASED))
    if not events.height and until is not None and n_after_until:
        # Said first: the few unreadable rows, all that is left of the table, would hide the cause.
        raise InputError(f"no event before {_iso(until)} is left of {typed.height:,} rows{_because(rejections)}{hint}")
    _refuse_too_many(rejections, typed.height - n_after_until - n_erased, "events", settings, hint=hint)
    if not events.height:
        raise InputError(f"no event is left after cleaning {typed.height:,} rows{_because(rejections)}{hint}")
    items = users = None
    items_report = users_report = None
    if items_table is not None:
        items, items_report = clean_items(items_table)
        _refuse_too_many(items_report.rejections, items_report.n_read, "items", settings)
    if users_table is not None:
        users, users_report = clean_users(users_table)
        _refuse_too_many(users_report.rejections, users_report.n_read, "users", settings)
    if live is not None and state is not None:
        items, users, live = overlaid(items, users, state, live, named=set(events["item_id"].unique().to_list()))
    n_unknown = 0 if items is None else events.height - int(events["item_id"].is_in(items["item_id"].implode()).sum())
    report = CleaningReport(
        n_read=typed.height,
        n_kept=int((outcome == KEPT).sum()),
        rejected=rejections.counts,
        examples=rejections.examples,
        n_unknown_items=n_unknown,
        n_searches=int((outcome == SEARCH).sum()),
        n_after_until=n_after_until,
        first_at=int(str(events["time"].min())),
        last_at=int(str(events["time"].max())),
        items=items_report,
        users=users_report,
        n_erased=n_erased,
        state=None if live is None else live.report,
    )
    deleted = () if state is None else (one.item_id for one in state.items if one.is_deleted)
    return Clean(events, items, users, report, frozenset(deleted))


def _refuse_too_many(rejections: Rejections, n_rows: int, table: str, settings: Settings, *, hint: str = "") -> None:
    limit = settings.cleaning.max_rejected_share
    counts = rejections.counts
    if table != "events":
        # A catalogue with a row a variant is common; only the first row of an id is wanted, so nothing is lost.
        counts = {reason: count for reason, count in counts.items() if reason != "duplicate"}
        rejections = Rejections(counts, rejections.examples)
    n_rejected = sum(counts.values())
    if not n_rows or n_rejected <= limit * n_rows:
        return
    raise InputError(
        f"{n_rejected:,} of {n_rows:,} {table} rows ({n_rejected / n_rows:.1%}) are rejected, the limit is "
        f"{limit:.1%} (cleaning.max_rejected_share){_because(rejections)}{hint}"
    )


def _because(rejections: Rejections) -> str:
    if not rejections.counts:
        return ""
    reason, count = max(rejections.counts.items(), key=lambda entry: entry[1])
    rows = ", ".join(str(row) for row in rejections.examples[reason])
    return f"; the most common reason is {reason} ({count:,} rows, for example row {rows})"


def _refuse_dates(times: pl.Series) -> None:
    """Raise InputError where every time is a date written as a number, 20250131: as seconds it lies in August 1970."""
    known = times.drop_nulls()
    if not known.len():
        return
    month, day = known // 100 % 100, known % 100
    in_years = known.is_between(1970_01_01, 2099_12_31)
    if bool((in_years & month.is_between(1, 12) & day.is_between(1, 31)).all()):
        raise InputError(f"timestamps look like dates as numbers ({known[0]}): write 2025-01-31, or epoch seconds")


def _milliseconds_hint(events: pl.DataFrame, times: pl.Series) -> str:
    """What to add to a refusal when most rows have a number for a time that would make sense in milliseconds."""
    if times.null_count() * 2 <= times.len():
        return ""
    stamps = events.select(number("timestamp", events.schema["timestamp"])).to_series() / 1_000
    year = 365 * DAY_S
    n_plausible = int(stamps.is_between(5 * year, 130 * year).sum())
    looks_so = n_plausible * 2 > stamps.len()
    return "; most timestamps look like milliseconds, epoch seconds are expected" if looks_so else ""


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
