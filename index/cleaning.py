"""Cleaning that is visible: every row that is not kept is counted under a reason, and the sums add up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from index.cells import BAD_ID, LONGEST_ID, number, seconds, text
from index.cleaning_report import CleaningReport, Rejections
from index.entity_cleaning import clean_items, clean_users
from index.formats import MALFORMED
from index.settings import Settings
from index.state_merge import StateReport, in_tables
from index.state_overlay import with_changed_items, with_changed_profiles
from index.state_tables import US, VISITOR, StateTables
from index.tables import Tables
from recsys.errors import InputError

DAY_S = 86_400

KEPT, SEARCH, AFTER_UNTIL, ERASED = 0, 1, 2, 3
# In the order they are checked; a row counts under the first that applies. Codes follow the four above.
REASONS = (
    "malformed_row",
    "missing_user_id",
    "missing_item_id",
    "id_too_long",
    "bad_id",
    "missing_event_type",
    "bad_time",
    "far_future",
    "bad_number",
    "negative_price",
    "negative_quantity",
    "duplicate",
)
_NUMBERS = ("quantity", "price", "value")
_KEPT_COLUMNS = ("user_id", "item_id", "event_type", "time", *_NUMBERS)
_CODES = {reason: code for code, reason in enumerate(REASONS, start=ERASED + 1)}
# Marks rows of erased users; no file can have it, for it is set after reading.
_ERASED = "#erased"


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
    typed = _typed(tables.events)
    hint = _milliseconds_hint(tables.events, typed["time"])
    items_table, users_table = tables.items, tables.users
    n_linked = 0
    if state is not None:
        erased = pl.DataFrame({"time": typed["time"], "until": state.erased_ids(typed["user_id"])})
        linked = state.linked(typed["user_id"])
        n_linked = int((linked != typed["user_id"]).sum())
        typed = typed.with_columns(
            linked, erased.select((pl.col("time") <= pl.col("until")).fill_null(False).alias(_ERASED)).to_series()
        )
    # From here on the raw events are of no use, and they are the largest thing in memory.
    del tables
    outcome = _outcomes(typed, now=now, until=until, tolerance_s=settings.cleaning.future_tolerance_days * DAY_S)
    outcome = _mark_duplicates(typed, outcome)
    events = typed.select(_KEPT_COLUMNS).filter(outcome == KEPT)
    live = None
    if state is not None:
        known = typed.filter(outcome <= SEARCH)
        live = _live(state, known, settings, now=now, until=until)
        live = replace(live, report=replace(live.report, n_linked=live.report.n_linked + n_linked))
        events = pl.concat([events, live.events])
    rejections = Rejections.of(outcome, _CODES)
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
        items, users, live = _overlaid(items, users, state, live, named=set(events["item_id"].unique().to_list()))
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


@dataclass(frozen=True, slots=True)
class _Live:
    """Kept events of a state, and what became of the others."""

    events: pl.DataFrame
    report: StateReport


def _live(state: StateTables, known: pl.DataFrame, settings: Settings, *, now: int, until: int | None) -> _Live:
    """The events of ``state`` that keep the rules and are not among ``known``, the usable rows of the tables."""
    raw = state.events.with_columns(state.owners(), (pl.col("time_us") // US).alias("timestamp"))
    typed = _typed(raw).with_columns(state.erased().alias(_ERASED))
    outcome = _outcomes(typed, now=now, until=until, tolerance_s=settings.cleaning.future_tolerance_days * DAY_S)
    usable = outcome <= SEARCH
    copies = in_tables(typed, known) & usable
    kept = (outcome == KEPT) & ~copies
    of_visitors = kept & state.events["user_id"].is_null()
    unlinked = of_visitors & raw["user_id"].str.starts_with(VISITOR)
    events = typed.select(_KEPT_COLUMNS).filter(kept)
    report = StateReport(
        n_events=typed.height,
        n_kept=events.height,
        n_in_tables=int(copies.sum()),
        n_erased=int((outcome == ERASED).sum()),
        n_after_until=int((outcome == AFTER_UNTIL).sum()),
        n_searches=int(((outcome == SEARCH) & ~copies).sum()),
        rejected=Rejections.of(outcome, _CODES).counts,
        n_linked=int((of_visitors & ~unlinked).sum()),
        n_visitors=raw.filter(unlinked)["user_id"].n_unique(),
        position=state.position,
    )
    return _Live(events, report)


def _overlaid(
    items: pl.DataFrame | None, users: pl.DataFrame | None, state: StateTables, live: _Live, *, named: set[str]
) -> tuple[pl.DataFrame | None, pl.DataFrame | None, _Live]:
    """Items and users as the state has them, erased users without their rows."""
    n_erased = 0
    if users is not None:
        forgotten = state.erased_ids(users["user_id"]).is_not_null()
        n_erased = int(forgotten.sum())
        users = users.filter(~forgotten)
    known_items = set() if items is None else set(items["item_id"].to_list())
    known_users = set() if users is None else set(users["user_id"].to_list())
    items = with_changed_items(items, state.items, named)
    users = with_changed_profiles(users, state.profiles)
    there = [one for one in state.items if not one.is_deleted]
    now_items = set() if items is None else set(items["item_id"].to_list())
    report = replace(
        live.report,
        n_profiles_erased=n_erased,
        n_items_changed=sum(one.item_id in known_items for one in there),
        n_items_new=len(now_items - known_items),
        n_items_deleted=sum(one.is_deleted for one in state.items),
        n_profiles=len(state.profiles),
        n_profiles_new=len(set(state.profiles) - known_users),
    )
    return items, users, replace(live, report=report)


def _typed(events: pl.DataFrame) -> pl.DataFrame:
    """Events with typed cells; numbers the file lacks are null. Computed in blocks: temporaries stay small."""
    has = events.schema
    spelled = text("event_type", has["event_type"])
    columns = [
        pl.col("user_id"),
        pl.col("item_id"),
        spelled.str.strip_chars().str.to_lowercase().str.replace_all(r"[ -]", "_").cast(pl.Categorical),
        seconds("timestamp", has["timestamp"]).alias("time"),
        *((number(name, has[name]) if name in has else pl.lit(None).alias(name)).cast(pl.Float32) for name in _NUMBERS),
        *(text(name, has[name]) for name in ("event_id", "session_id", "query") if name in has),
        pl.col(MALFORMED) if MALFORMED in has else pl.lit(False).alias(MALFORMED),
    ]
    return events.lazy().select(columns).collect(engine="streaming")


def _outcomes(typed: pl.DataFrame, *, now: int, until: int | None, tolerance_s: float) -> pl.Series:
    """uint8 (n,): what becomes of each row, duplicates aside."""
    user, item, kind, time = (pl.col(name) for name in ("user_id", "item_id", "event_type", "time"))
    is_search = (kind == "search").fill_null(False)
    checks: list[tuple[int, pl.Expr]] = [
        (_CODES["malformed_row"], pl.col(MALFORMED)),
        (AFTER_UNTIL, time >= until if until is not None else pl.lit(False)),
        (ERASED, pl.col(_ERASED) if _ERASED in typed.columns else pl.lit(False)),
        (_CODES["missing_user_id"], user.is_null()),
        (_CODES["missing_item_id"], item.is_null() & ~is_search),
        (_CODES["id_too_long"], _either(user.str.len_chars() > LONGEST_ID, item.str.len_chars() > LONGEST_ID)),
        (_CODES["bad_id"], _either(user.str.contains(BAD_ID), item.str.contains(BAD_ID))),
        (_CODES["missing_event_type"], kind.is_null()),
        (_CODES["bad_time"], time.is_null()),
        (_CODES["far_future"], time > now + int(tolerance_s)),
        (_CODES["bad_number"], pl.any_horizontal(pl.col(name).is_infinite() for name in _NUMBERS)),
        (_CODES["negative_price"], pl.col("price") < 0),
        (_CODES["negative_quantity"], pl.col("quantity") < 0),
        (SEARCH, item.is_null()),
    ]
    # From the last check to the first, so that the first that applies has the last word.
    outcome: pl.Expr = pl.lit(KEPT, dtype=pl.UInt8)
    for code, applies in reversed(checks):
        outcome = pl.when(applies.fill_null(False)).then(pl.lit(code, dtype=pl.UInt8)).otherwise(outcome)
    return typed.lazy().select(outcome.alias("outcome")).collect(engine="streaming").to_series()


def _either(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return a.fill_null(False) | b.fill_null(False)


def _mark_duplicates(typed: pl.DataFrame, outcome: pl.Series) -> pl.Series:
    """``outcome`` with the second and later copies of an event marked; the first in file order stays.

    Two rows are one event when they share their event_id, or, having none, everything that identifies them.
    """
    rows = typed.lazy().with_row_index("row").filter(outcome <= SEARCH)
    told = [name for name in ("session_id", "query") if name in typed.columns]
    whole = ["user_id", "item_id", "event_type", "time", *told]
    if "event_id" in typed.columns:
        named = rows.filter(pl.col("event_id").is_not_null())
        copies = _copies(named, ["event_id"])
        copies = pl.concat([copies, _copies(rows.filter(pl.col("event_id").is_null()), whole)])
    else:
        copies = _copies(rows, whole)
    return outcome.scatter(copies, _CODES["duplicate"]) if copies.len() else outcome


def _copies(rows: pl.LazyFrame, key: list[str]) -> pl.Series:
    """Row numbers of repeated keys but the first of each."""
    # Hashes weed out nearly all rows in 8 bytes each; only rows whose hash occurs twice are compared in full.
    hashed = rows.select("row", *key, hash=pl.struct(key).hash())
    suspects = hashed.filter(pl.col("hash").is_duplicated()).collect()
    return suspects.filter(~pl.struct(key).is_first_distinct()).get_column("row")


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
        f"{limit:.1%}{_because(rejections)}{hint}"
    )


def _because(rejections: Rejections) -> str:
    if not rejections.counts:
        return ""
    reason, count = max(rejections.counts.items(), key=lambda entry: entry[1])
    rows = ", ".join(str(row) for row in rejections.examples[reason])
    return f"; the most common reason is {reason} ({count:,} rows, for example row {rows})"


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
