"""Codes of a snapshot's code families by what they stand for: snapshots keep the codes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from recsys.arrays import Int32, Int64
from recsys.catalogue import Catalogue
from recsys.filters.kept import Filters
from recsys.grouping import positions
from recsys.overlay.item_text import SEPARATOR

BRAND = "brand"
# As a rebuild writes lists where text is wanted.
LIST_SEPARATOR = ", "
_LEVEL = "category_"


@dataclass(frozen=True, slots=True)
class Labels:
    """numbers: code by label · n_codes: how many codes the snapshot has, labelled or not."""

    numbers: Mapping[str, int]
    n_codes: int

    @classmethod
    def of(cls, name: str, codes: Int32, catalogue: Catalogue, filters: Filters) -> Labels:
        """Those of the family ``name``, read from the first item of each code. Time: n_items and a text a code."""
        first = _first_items(codes)
        known = np.flatnonzero(first >= 0)
        texts = _texts(name, first[known], catalogue, filters)
        numbers: dict[str, int] = {}
        for code, text in zip(known.tolist(), texts, strict=True):
            if text:
                numbers.setdefault(text, code)
        return cls(numbers, len(first))


@dataclass(slots=True)
class Coding:
    """One family's codes for labels as they come: what the snapshot lacks is numbered on, in the order of coming."""

    labels: Labels
    new: dict[str, int] = field(default_factory=dict)

    def code(self, label: str) -> int:
        """-1 for the empty label."""
        if not label:
            return -1
        known = self.labels.numbers.get(label)
        return self.new.setdefault(label, self.labels.n_codes + len(self.new)) if known is None else known


@dataclass(frozen=True, slots=True)
class Pairs:
    """A crossed family: keys (P,) int64 ascending of the pairs that the snapshot has, codes (P,) of each."""

    keys: Int64
    codes: Int32
    n_codes: int

    @classmethod
    def of(cls, one: Int32, other: Int32, crossed: Int32) -> Pairs:
        """Of ``crossed`` (n_items,), which is ``one`` x ``other``. Time: a sort of n_items."""
        keys, first = np.unique(_pair(one, other), return_index=True)
        known = keys >= 0
        return cls(keys[known], crossed[first[known]], int(crossed.max(initial=-1)) + 1)

    def code(self, one: Int32, other: Int32) -> Int32:
        """(c,) codes of pairs (c,); pairs that the snapshot lacks are numbered on in their order, -1 without either."""
        keys = _pair(one, other)
        place, known = positions(self.keys, keys)
        found = np.where(known, self.codes[place], -1) if len(self.codes) else np.full(len(keys), -1)
        new: dict[int, int] = {}
        for row in np.flatnonzero(~known & (keys >= 0)).tolist():
            found[row] = new.setdefault(int(keys[row]), self.n_codes + len(new))
        return found.astype(np.int32)


def label_of(name: str, category: str, brand: str, attributes: Mapping[str, str]) -> str:
    """What an item's code in the family ``name`` stands for; "" where it has none."""
    depth = level_of(name)
    if depth:
        return _prefix(category, depth)
    return brand if name == BRAND else attributes.get(name, "")


@lru_cache(maxsize=65_536)
def _prefix(category: str, depth: int) -> str:
    levels = category.split(SEPARATOR) if category else []
    return SEPARATOR.join(levels[:depth]) if len(levels) >= depth else ""


@lru_cache(maxsize=1024)
def level_of(name: str) -> int:
    """Which level of the path the family is of, from 1; 0 for any other family."""
    level = name.removeprefix(_LEVEL)
    return int(level) if name.startswith(_LEVEL) and level.isdecimal() else 0


def _texts(name: str, items: Int64, catalogue: Catalogue, filters: Filters) -> Sequence[str]:
    if level_of(name):
        return [label_of(name, path, "", {}) for path in catalogue.categories.many(items)]
    if name == BRAND:
        return catalogue.brands.many(items)
    return [spelled(value) for value in filters.attributes(items.astype(np.int32)).get(name, [None] * len(items))]


def spelled(value: object) -> str:
    """A value as the text of a table's cell: whole numbers without a point, lists by commas, "" for none."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2.0**63 else str(value)
    return LIST_SEPARATOR.join(value) if isinstance(value, tuple) else str(value)


def _first_items(codes: Int32) -> Int64:
    """(n_codes,) the first item of each code, -1 for a code that none has."""
    first = np.full(int(codes.max(initial=-1)) + 1, -1, np.int64)
    known = np.flatnonzero(codes >= 0)[::-1]
    first[codes[known]] = known
    return first


def _pair(one: Int32, other: Int32) -> Int64:
    pairs: Int64 = np.where((one >= 0) & (other >= 0), one.astype(np.int64) << 32 | other, -1)
    return pairs
