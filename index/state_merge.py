"""Events of a state store among those of the tables: which of them are there already, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from recsys.stores.event_ids import DERIVED

# A window to learn from is a month at most: half of one without events is no window any more.
LONG_GAP_DAYS = 14.0
_IDENTITY = ["user_id", "item_id", "event_type", "time"]


@dataclass(frozen=True, slots=True)
class StateReport:
    """What a state store contributed.

    Of its ``n_events``: n_kept, n_in_tables (the tables have them already), n_erased (of erased people), n_after_until,
    n_searches (no interactions) and ``rejected`` (by reason) add up · n_profiles_erased: rows of erased users in the
    users table · n_linked: events that a link gave to a user, of the tables too · n_visitors: unlinked visitors with
    kept events · n_items_changed, n_items_new, n_items_deleted, n_profiles, n_profiles_new: laid over the tables ·
    unfit: by column of the items table, values that are not of its kind and so count as unknown ·
    position: in the state's log, of the last event that was read · gap_days: between the last event of the tables and
    the first that was added behind it, 0 without one.
    """

    n_events: int = 0
    n_kept: int = 0
    n_in_tables: int = 0
    n_erased: int = 0
    n_after_until: int = 0
    n_searches: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    n_profiles_erased: int = 0
    n_linked: int = 0
    n_visitors: int = 0
    n_items_changed: int = 0
    n_items_new: int = 0
    n_items_deleted: int = 0
    unfit: Mapping[str, int] = field(default_factory=dict)
    n_profiles: int = 0
    n_profiles_new: int = 0
    position: int = 0
    gap_days: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values for the snapshot's report."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Sentences for a person."""
        out = [
            f"state: {self.n_events:,} events, {self.n_in_tables:,} already in the tables, {self.n_kept:,} added"
            + (f", {self.n_searches:,} searches without an item" if self.n_searches else "")
            + (f", {self.n_after_until:,} after the chosen end" if self.n_after_until else "")
            + (f"; rejected: {', '.join(f'{why} {count:,}' for why, count in self.rejected.items())}"
               if self.rejected else "")
        ]  # fmt: skip
        if self.gap_days >= LONG_GAP_DAYS:
            out.append(
                f"state: between the last event of the tables and the next that was added lie {self.gap_days:.0f} days "
                "of which nothing is known: windows to learn from and to judge by lie there, give newer tables"
            )
        if self.n_linked or self.n_visitors:
            out.append(
                f"state: {self.n_linked:,} events of linked visitors are their users', "
                f"{self.n_visitors:,} visitors are linked to nobody"
            )
        if self.n_items_changed or self.n_items_new or self.n_items_deleted:
            out.append(
                f"state: {self.n_items_new:,} new items, {self.n_items_changed:,} changed, "
                f"{self.n_items_deleted:,} deleted"
            )
        if self.unfit:
            told = ", ".join(f"{column} {count:,}" for column, count in sorted(self.unfit.items()))
            out.append(f"state: values that are not of the kind of their column are left unknown: {told}")
        if self.n_profiles:
            out.append(f"state: {self.n_profiles:,} profiles, {self.n_profiles_new:,} of them new")
        if self.n_erased or self.n_profiles_erased:
            out.append(
                f"state: {self.n_erased:,} events and {self.n_profiles_erased:,} profiles of erased users are left out"
            )
        return out


def in_tables(live: pl.DataFrame, table: pl.DataFrame) -> pl.Series:
    """bool (m,): events of the state that are rows of the table.

    Both have user_id, item_id, event_type and time (epoch seconds), ``live`` has event_id, ``table`` may. An event is a
    row that has its id, or, where either has no id of the caller's, one of the same user, item, type and time.
    """
    numbered = live.with_row_index("row").with_columns(is_ours=pl.col("event_id").str.starts_with(DERIVED))
    first, last = live["time"].min(), live["time"].max()
    # Only rows of the state's time can be alike: mostly a small part of the table.
    near = table.lazy().filter(pl.col("time").is_between(first, last))
    ours, given = (numbered.lazy().filter(pl.col("is_ours") == is_ours) for is_ours in (True, False))
    parts = [ours.join(near, on=_IDENTITY, how="semi", nulls_equal=True)]
    if "event_id" in table.columns:
        parts.append(numbered.lazy().join(table.lazy().select("event_id"), on="event_id", how="semi"))
        near = near.filter(pl.col("event_id").is_null())
    parts.append(given.join(near, on=_IDENTITY, how="semi", nulls_equal=True))
    rows = pl.concat([part.select("row") for part in parts]).unique().collect().to_series()
    return pl.repeat(False, live.height, dtype=pl.Boolean, eager=True).scatter(rows, True)
