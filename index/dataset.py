"""A data folder as clean numbered arrays: what the rest of the offline path is built on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from index.cleaning import Clean, clean
from index.cleaning_report import CleaningReport
from index.defaults import Choice, work_out_defaults
from index.item_attributes import attributes_of
from index.items import Codes, Items, numbers_of
from index.settings import FILE_NAME, Settings
from index.state_tables import StateTables
from index.tables import read_tables
from index.user_profiles import Profiles
from recsys.arrays import Float32, Int8, Int64, frozen
from recsys.filters.columns import Column
from recsys.interactions import Interactions, newest_first
from recsys.platforms import MOST_PLATFORMS

__all__ = ["Codes", "Dataset", "Items", "Profiles", "load"]

Kinds = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything known, numbered.

    user_ids, item_ids: ascending by UTF-8 bytes, position = number; users are those with events or a profile, items
    those in the catalogue or in events · kinds (n,) unsigned, values (n,) float32 (NaN unknown; None when no event has
    one): of each interaction, ``event_types[kind]`` and what the user rated · settings: with nothing left open ·
    choices: which defaults were worked out · weights_given: the settings say what events weigh · attributes: of items,
    by name, for filters · unfiltered: names of those that are too many or too large · platforms: of events, by the
    number that interactions have, the most frequent first. 15 million events take 0.5 GB
    here; reading and cleaning them peaks below 6 GB.
    """

    user_ids: list[str]
    item_ids: list[str]
    interactions: Interactions
    event_types: tuple[str, ...]
    kinds: Kinds
    values: Float32 | None
    items: Items
    users: Profiles
    report: CleaningReport
    settings: Settings
    choices: tuple[Choice, ...]
    weights_given: bool = False
    attributes: Mapping[str, Column] = field(default_factory=dict)
    unfiltered: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()

    def weighing_others(self, factor: float) -> Dataset:
        """The same with ``factor`` on the weights of events that are not of a target type, in the settings too."""
        if factor == 1.0:
            return self
        events = self.settings.events
        weights = {
            kind: weight if kind in events.target_types else weight * factor for kind, weight in events.weights.items()
        }
        settings = replace(self.settings, events=replace(events, weights=weights))
        return replace(self, interactions=self.interactions.weighing_others(factor), settings=settings)


def load(
    folder: Path,
    settings_path: Path | None = None,
    *,
    now: int,
    until: int | None = None,
    state: StateTables | None = None,
) -> Dataset:
    """The data of ``folder``; ``settings_path`` None = the recsys.toml beside the tables, if there is one.

    now, until: epoch seconds; events at or after ``until`` are left out altogether · state: merged with the tables.
    Raises InputError in one sentence.
    """
    if settings_path is None and (folder / FILE_NAME).exists():
        settings_path = folder / FILE_NAME
    settings = Settings() if settings_path is None else Settings.read(settings_path)
    # The raw tables are handed over, not held: they are the largest thing in memory until cleaning is done.
    return number(clean(read_tables(folder, settings), settings, now=now, until=until, state=state), settings)


def number(cleaned: Clean, settings: Settings) -> Dataset:
    """The dataset of cleaned tables."""
    weights_given = bool(settings.events.weights)
    settings, choices = work_out_defaults(settings, cleaned.events, cleaned.items)
    user_ids = _ids("user_id", cleaned.events, cleaned.users)
    item_ids = _ids("item_id", cleaned.events, cleaned.items)
    items_listed = item_ids.to_list()
    items = Items.of(
        cleaned.items,
        items_listed,
        text_columns=settings.text.columns or (),
        attributes=settings.features.codes or (),
        deleted=cleaned.deleted,
    )
    attributes, unfiltered = attributes_of(cleaned.items, items_listed)
    platforms = _platforms(cleaned.events["platform"])
    interactions, rows = _interactions(cleaned.events, user_ids, item_ids, platforms, settings)
    # Every type that occurs has a weight by now, the most frequent first.
    event_types = tuple(settings.events.weights)
    return Dataset(
        user_ids=user_ids.to_list(),
        item_ids=items_listed,
        interactions=interactions,
        event_types=event_types,
        kinds=_kinds(cleaned.events["event_type"], event_types)[rows],
        values=_values(cleaned.events["value"], rows),
        items=items,
        users=Profiles.of(cleaned.users, user_ids.to_list()),
        report=cleaned.report,
        settings=settings,
        choices=choices,
        weights_given=weights_given,
        attributes=attributes,
        unfiltered=unfiltered,
        platforms=platforms,
    )


def _ids(column: str, events: pl.DataFrame, table: pl.DataFrame | None) -> pl.Series:
    seen = events[column].unique()
    # polars sorts text by its UTF-8 bytes, which is also the order of numpy's 'S' arrays.
    return seen.sort() if table is None else pl.concat([seen, table[column]]).unique().sort()


def _interactions(
    events: pl.DataFrame, user_ids: pl.Series, item_ids: pl.Series, platforms: tuple[str, ...], settings: Settings
) -> tuple[Interactions, Int64]:
    """The interactions, and the row of ``events`` each of them comes from."""
    kinds = events["event_type"].cast(pl.String)
    weights = kinds.replace_strict(dict(settings.events.weights), return_dtype=pl.Float32).to_numpy()
    targets = kinds.is_in(settings.events.target_types).to_numpy()
    if settings.events.min_value is not None:
        # The user has the item (it stays a target), yet the event speaks against it: weight 0.
        disliked = (events["value"] < settings.events.min_value).fill_null(False).to_numpy()
        weights = np.where(disliked, np.float32(0.0), weights)
    columns = {
        "users": numbers_of(events["user_id"], user_ids),
        "items": numbers_of(events["item_id"], item_ids),
        "times": events["time"].to_numpy(),
        "weights": weights,
        "targets": targets,
        "quantities": events["quantity"].fill_null(float("nan")).to_numpy(),
        "prices": events["price"].fill_null(float("nan")).to_numpy(),
        "platforms": _codes(events["platform"], platforms),
    }
    rows = newest_first(columns["users"], columns["items"], columns["times"])
    return Interactions(**{name: frozen(column[rows], None) for name, column in columns.items()}), rows


def _platforms(column: pl.Series) -> tuple[str, ...]:
    """The names in ``column``, the most frequent first; those beyond ``MOST_PLATFORMS`` count as unknown."""
    counts = column.cast(pl.String).drop_nulls().value_counts().sort("count", column.name, descending=[True, False])
    return tuple(counts[column.name].head(MOST_PLATFORMS).to_list())


def _codes(column: pl.Series, names: tuple[str, ...]) -> Int8:
    numbers = {name: number for number, name in enumerate(names)}
    return column.cast(pl.String).replace_strict(numbers, default=-1, return_dtype=pl.Int8).to_numpy()


def _kinds(column: pl.Series, event_types: tuple[str, ...]) -> Kinds:
    """The position (n,) of each event's type in ``event_types``, a byte each as long as there are few types."""
    return column.cast(pl.String).cast(pl.Enum(event_types)).to_physical().to_numpy()


def _values(column: pl.Series, rows: Int64) -> Float32 | None:
    if column.null_count() == column.len():
        return None
    return frozen(column.fill_null(float("nan")).to_numpy()[rows], np.float32)
