"""What cleaning did, in numbers: for the operator's screen and for the snapshot's report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from index.state_merge import StateReport

N_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Rejections:
    """counts: reason -> rows, only reasons that occur · examples: reason -> its first row numbers, from 1."""

    counts: Mapping[str, int]
    examples: Mapping[str, list[int]]

    @classmethod
    def of(cls, outcome: pl.Series, codes: Mapping[str, int]) -> Rejections:
        """Counted from ``outcome`` (n,), one code a row; ``codes``: reason -> code."""
        counts: dict[str, int] = {}
        examples: dict[str, list[int]] = {}
        for reason, code in codes.items():
            applies = outcome == code
            if count := int(applies.sum()):
                counts[reason] = count
                examples[reason] = [row + 1 for row in applies.arg_true().head(N_EXAMPLES).to_list()]
        return cls(counts, examples)


@dataclass(frozen=True, slots=True)
class TableReport:
    """Rows of items or users: n_kept + all rejected = n_read · mended: reason -> cells that became unknown."""

    n_read: int
    n_kept: int
    rejections: Rejections
    mended: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """Rows of events in the tables: n_kept + all rejected + n_searches + n_after_until + n_erased = n_read.

    examples: the first row numbers of each reason (the first row of the table is 1, a CSV's header is not counted) ·
    n_unknown_items: kept events whose item the items table lacks · n_searches: searches without an item, no
    interactions · n_erased: of users whom the state remembers as erased · first_at, last_at: epoch seconds of the kept
    events, the state's among them · items, users: None without such a table · state: None without one.
    """

    n_read: int
    n_kept: int
    rejected: Mapping[str, int]
    examples: Mapping[str, list[int]]
    n_unknown_items: int
    n_searches: int
    n_after_until: int
    first_at: int
    last_at: int
    items: TableReport | None = None
    users: TableReport | None = None
    n_erased: int = 0
    state: StateReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the snapshot's report."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Sentences for a person, one table after the other."""
        out = [f"events: {self.n_kept:,} of {self.n_read:,} rows kept{_rejected(self.rejected, self.examples)}"]
        if self.n_after_until:
            out.append(f"events: {self.n_after_until:,} rows lie after the chosen end and are set aside")
        if self.n_erased:
            out.append(f"events: {self.n_erased:,} rows of erased users are left out")
        if self.n_searches:
            out.append(f"events: {self.n_searches:,} searches without an item are no interactions")
        if self.n_unknown_items:
            out.append(f"events: {self.n_unknown_items:,} rows name items outside the items table and are kept")
        for name, table in (("items", self.items), ("users", self.users)):
            if table is not None:
                rejected = _rejected(table.rejections.counts, table.rejections.examples)
                out.append(f"{name}: {table.n_kept:,} of {table.n_read:,} rows kept{rejected}")
                if table.mended:
                    mended = ", ".join(f"{reason} {count:,}" for reason, count in table.mended.items())
                    out.append(f"{name}: cells set to unknown: {mended}")
        return out if self.state is None else [*out, *self.state.lines()]


def _rejected(counts: Mapping[str, int], examples: Mapping[str, list[int]]) -> str:
    if not counts:
        return ""
    parts = [f"{reason} {count:,} (row {', '.join(map(str, examples[reason]))})" for reason, count in counts.items()]
    return f"; rejected: {', '.join(parts)}"
