"""What is known of items and users, and how much it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from index.analysis.spread import entropy_bits
from index.dataset import Codes, Dataset
from recsys.arrays import Bool, Float32, Int32, Int64

Kind = Literal["text", "category", "number", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of items or users.

    share_known: of all of them · share_of_events: of the events, those whose item or user has it · n_distinct and
    entropy_bits: of the known values; log2 of n_distinct at most, 0 when there is only one.
    """

    kind: Kind
    share_known: float
    share_of_events: float
    n_distinct: int
    entropy_bits: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """Columns by name.

    items: title (its own, not the id), text (what is embedded), category (the whole path), brand, price (as listed),
    created_at, and the code families · users: the profile · share_of_users_with_profile: of the users with events,
    those with any of it.
    """

    items: Mapping[str, Column]
    users: Mapping[str, Column]
    share_of_users_with_profile: float

    @classmethod
    def of(cls, dataset: Dataset) -> Coverage:
        """The coverage of ``dataset``. Memory: one column of text at a time, twice."""
        table, items = dataset.interactions, dataset.items
        per_item = np.bincount(table.items, minlength=len(dataset.item_ids))
        per_user = np.bincount(table.users, minlength=len(dataset.user_ids))
        columns = {
            "title": _of_texts(_own_titles(items.titles, dataset.item_ids), "text", per_item),
            "text": _of_texts(items.texts, "text", per_item),
            "category": _of_texts(items.categories, "category", per_item),
            "brand": _of_texts(items.brands, "category", per_item),
            "price": _of_numbers(items.prices, np.isfinite(items.prices), "number", per_item),
            "created_at": _of_numbers(items.created_at, items.created_at > 0, "time", per_item),
        }
        columns |= {name: _of_codes(codes, per_item) for name, codes in items.codes.items() if name not in columns}
        profile = {name: _of_profile(column, per_user) for name, column in dataset.users.columns.items()}
        known = np.zeros(len(per_user), bool)
        for column in dataset.users.columns.values():
            known |= column.codes >= 0 if isinstance(column, Codes) else np.isfinite(column)
        return cls(columns, profile, float(known[per_user > 0].mean()))


def _own_titles(titles: Sequence[str], item_ids: Sequence[str]) -> list[str]:
    return ["" if title == item_id else title for title, item_id in zip(titles, item_ids, strict=True)]


def _of_texts(values: Sequence[str], kind: Kind, n_events: Int64) -> Column:
    column = pl.Series("text", values, dtype=pl.String)
    known = column != ""
    counts = column.filter(known).value_counts(name="n")["n"].to_numpy()
    return _column(kind, known.to_numpy(), counts, n_events)


def _of_codes(column: Codes, n_events: Int64) -> Column:
    known = column.codes >= 0
    counts = np.bincount(column.codes[known])
    return _column("category", known, counts[counts > 0], n_events)


def _of_numbers(values: Float32 | Int64, known: Bool, kind: Kind, n_events: Int64) -> Column:
    return _column(kind, known, np.unique(values[known], return_counts=True)[1], n_events)


def _of_profile(column: Float32 | Codes, n_events: Int64) -> Column:
    if isinstance(column, Codes):
        return _of_codes(column, n_events)
    return _of_numbers(column, np.isfinite(column), "number", n_events)


def _column(kind: Kind, known: Bool, counts: Int64 | Int32, n_events: Int64) -> Column:
    return Column(
        kind=kind,
        share_known=float(known.mean()),
        share_of_events=float(n_events[known].sum() / n_events.sum()),
        n_distinct=len(counts),
        entropy_bits=entropy_bits(counts / counts.sum()) if len(counts) else 0.0,
    )
