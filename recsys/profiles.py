"""Profile columns of users: numbers as they are, categories as codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from recsys.arrays import Float32, frozen
from recsys.errors import SnapshotCorrupt
from recsys.profile_bins import ProfileBins
from recsys.query import Profile, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.stores.records import Value

LARGEST = float(np.finfo(np.float32).max)
LABELS, BINS = "profiles.labels.json", "profiles"


@dataclass(frozen=True)
class Profiles:
    """names (P,) and values (n_users, P) float32: NaN where unknown, category codes as small whole numbers.

    labels: of the columns of categories, by code; None in snapshots from before they were kept · fitted: the bins of
    the values, None: worked out when they are asked for.
    """

    names: tuple[str, ...]
    values: Float32
    labels: Mapping[str, tuple[str, ...]] | None = field(default_factory=dict)
    fitted: ProfileBins | None = None

    @cached_property
    def bins(self) -> ProfileBins:
        """The bins that sources know these profiles by."""
        return self.fitted if self.fitted is not None else ProfileBins.of(self.values)

    @cached_property
    def _codes(self) -> Mapping[str, Mapping[str, int]]:
        labels = self.labels or {}
        return {name: {label: code for code, label in enumerate(known)} for name, known in labels.items()}

    def of(self, user: int | None) -> Float32:
        """The profile (P,) of a user number; all NaN for None."""
        return np.full(len(self.names), np.nan, np.float32) if user is None else self.values[user]

    def of_query(self, query: Query) -> Float32:
        """The profile (P,) of who asks."""
        return self.of(query.user) if query.profile is None else query.profile.values

    def changed(self, user: int | None, attributes: Mapping[str, Value | None]) -> Profile | None:
        """The profile of ``user`` with ``attributes`` in the place of its own, None clears one; None when no column of
        theirs is known here. What a column cannot hold, an unheard-of category among them, is unknown.
        """
        if self.labels is None or not any(name in attributes for name in self.names):
            return None
        values = self.of(user).copy()
        for column, name in enumerate(self.names):
            if name in attributes:
                values[column] = self._number(name, attributes[name])
        return Profile(frozen(values, np.float32), frozen(self.bins.bins(values[None])[0], np.int32))

    def attributes(self, user: int | None) -> dict[str, Value]:
        """What is known of a user number, by column, as it was in the users' table; nothing without labels."""
        if user is None or self.labels is None:
            return {}
        found = zip(self.names, self.values[user].tolist(), strict=True)
        return {
            name: self.labels[name][int(value)] if name in self.labels else value
            for name, value in found
            if not math.isnan(value)
        }

    def _number(self, name: str, value: Value | None) -> float:
        """``value`` as column ``name`` has it; NaN where it cannot."""
        if value is None:
            return math.nan
        if name in self._codes:
            return self._codes[name].get(_text(value), math.nan)
        try:
            number = float(value)
        except ValueError:
            return math.nan
        return number if abs(number) <= LARGEST else math.nan

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``profiles.*``."""
        out.json("profiles.json", list(self.names))
        out.array("profiles.values", self.values)
        if self.labels is not None:
            out.json(LABELS, {name: list(labels) for name, labels in self.labels.items()})
        self.bins.write(out, BINS)

    @classmethod
    def read(cls, src: SnapshotReader) -> Profiles:
        """The columns that ``write`` stored."""
        labels = src.json(LABELS) if src.has(LABELS) else None
        names, values = tuple(src.json("profiles.json")), src.array("profiles.values")
        if labels is not None and not (isinstance(labels, dict) and set(labels) <= set(names)):
            raise SnapshotCorrupt(f"snapshot {src.version}: {LABELS} is not of the profiles' columns")
        kept = None if labels is None else {name: tuple(map(str, known)) for name, known in labels.items()}
        # Of an older snapshot they are worked out now, and not in the midst of an answer.
        bins = ProfileBins.read(src, BINS) if src.has(f"{BINS}.edges") else ProfileBins.of(values)
        return cls(names, values, kept, bins)


def _text(value: Value) -> str:
    """As it would stand in a table."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else repr(value)
    return value
