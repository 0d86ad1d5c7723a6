"""What happened after a split, from the raw rows: the truths that lists are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from index.cells import number, seconds, text
from index.dataset import Dataset
from index.items import numbers_of
from index.settings import Settings, canonical_type
from index.state_merge import in_tables
from index.state_tables import US, StateTables
from index.tables import read_tables
from recsys.arrays import frozen
from recsys.errors import InputError
from recsys.evaluation.truth import Truth

# As cleaning spells event types.
_SPELLED = pl.col("event_type").str.strip_chars().str.to_lowercase().str.replace_all(r"[ -]", "_")


@dataclass(frozen=True, slots=True)
class Cut:
    """What happened in [start, end) (epoch seconds), items numbered below ``n_items``.

    truths: of each task, of users with an event before ``start`` · newcomers: of users whose profile is all that was
    known; what they took is new to them, so it is their truth of every task · n_strangers: users of whom nothing was
    known, who cannot be asked for and are not scored.
    """

    start: int
    end: int
    truths: Mapping[str, Truth]
    newcomers: Truth
    n_strangers: int
    n_items: int

    @classmethod
    def read(
        cls, folder: Path, dataset: Dataset, *, start: int, end: int | None, state: StateTables | None = None
    ) -> Cut:
        """From the raw rows before any cleaning, so that nothing cleaning does can flatter.

        Items never seen before ``start`` stay in it and count against every list. ``end`` None: a second after the
        last target event · state: whose events count as rows, where the tables lack them. InputError when no user with
        a past has a truth.
        """
        rows = _target_rows(folder, dataset.settings, state, start=start, end=end)
        n_known = len(dataset.item_ids)
        users = numbers_of(rows["user_id"], pl.Series(dataset.user_ids, dtype=pl.String))
        items = np.array(numbers_of(rows["item_id"], pl.Series(dataset.item_ids, dtype=pl.String)))
        unknown = rows["item_id"].filter(pl.Series(items < 0)).unique().sort()
        if unknown.len():
            items[items < 0] = n_known + numbers_of(rows["item_id"].filter(pl.Series(items < 0)), unknown)
        n_items = n_known + unknown.len()
        known = users >= 0
        everyone = Truth.of(users[known], frozen(items[known], np.int32), n_items)
        past = np.bincount(dataset.interactions.users, minlength=len(dataset.user_ids)) > 0
        truth = everyone.among(frozen(np.flatnonzero(past), np.int32))
        if not len(truth):
            raise InputError("no user with an event before the split has a target event after it: nothing to score")
        owned = dataset.interactions.targets
        novel = truth.without(dataset.interactions.users[owned], dataset.interactions.items[owned], n_items)
        return cls(
            start=start,
            end=int(str(rows["timestamp"].max())) + 1 if end is None else end,
            truths={"all": truth, "novel": novel},
            newcomers=everyone.among(frozen(np.flatnonzero(~past), np.int32)),
            n_strangers=rows["user_id"].filter(pl.Series(~known)).n_unique(),
            n_items=n_items,
        )


def _rows(events: pl.DataFrame) -> pl.DataFrame:
    """user_id, item_id, event_type, event_id text, timestamp epoch seconds, value float64; null = not given."""
    has = events.schema
    return events.select(
        text("user_id", has["user_id"]),
        text("item_id", has["item_id"]),
        text("event_type", has["event_type"]),
        seconds("timestamp", has["timestamp"]),
        number("value", has["value"]) if "value" in has else pl.lit(None, dtype=pl.Float64).alias("value"),
        text("event_id", has["event_id"]) if "event_id" in has else pl.lit(None, dtype=pl.String).alias("event_id"),
    )


def _with_state(rows: pl.DataFrame, state: StateTables) -> pl.DataFrame:
    """``rows`` of the tables without those of erased users, then what the state alone has."""
    until = state.erased_ids(rows["user_id"])
    rows = rows.with_columns(state.linked(rows["user_id"])).filter((rows["timestamp"] > until).fill_null(True))
    raw = state.events.with_columns(state.owners(), (pl.col("time_us") // US).alias("timestamp"))
    live = _rows(raw).filter(~state.erased())
    spelled, table = (one.with_columns(_SPELLED, time="timestamp") for one in (live, rows))
    return pl.concat([rows, live.filter(~in_tables(spelled, table))])


def _target_rows(
    folder: Path, settings: Settings, state: StateTables | None, *, start: int, end: int | None
) -> pl.DataFrame:
    """user_id, item_id and timestamp (epoch seconds) of target events in [start, end) that say yes."""
    rows = _rows(read_tables(folder, settings).events)
    if state is not None:
        rows = _with_state(rows, state)
    kinds = rows["event_type"].unique().drop_nulls()
    targets = [kind for kind in kinds if canonical_type(kind) in settings.events.target_types]
    keep = pl.col("event_type").is_in(targets) & (pl.col("timestamp") >= start)
    if end is not None:
        keep &= pl.col("timestamp") < end
    if settings.events.min_value is not None:
        keep &= (pl.col("value") >= settings.events.min_value).fill_null(True)
    return rows.filter(keep).drop_nulls(["user_id", "item_id"]).select("user_id", "item_id", "timestamp")
