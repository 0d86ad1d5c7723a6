"""Caps on what is alike: a screen of one brand, or of one category, is a poor screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice, takewhile

import numpy as np

from recsys.arrays import Int32, Int64
from recsys.context import Context
from recsys.policies.screens import SCREEN, whole_screens
from recsys.policy_settings import CapSettings
from recsys.query import Query, Slate


@dataclass(frozen=True, slots=True)
class Caps:
    """At most so many of one category and of one brand on a screen; what does not fit moves behind, in its order.

    Nothing is dropped: once only items are left that do not fit, they take the places in their order. Items without a
    category, or without a brand, are not counted there.
    """

    settings: CapSettings

    def select(self, query: Query, slate: Slate, context: Context) -> Int64:
        """All positions. Time: N a screen."""
        groups = self._groups(slate.items, context)
        left = list(range(len(slate)))
        chosen: list[int] = []
        for _ in range(0, whole_screens(query.limit, len(slate)), SCREEN):
            screen, left = _screen(left, groups)
            chosen += screen
        return np.array([*chosen, *left], np.int64)

    def _groups(self, items: Int32, context: Context) -> list[tuple[Sequence[int], int]]:
        """Each item's group by number, -1 for none, and how many of a group are allowed."""
        groups: list[tuple[Sequence[int], int]] = []
        codes = context.catalogue.codes
        if self.settings.category:
            groups.append((_categories(items, codes, self.settings.level).tolist(), self.settings.category))
        if self.settings.brand and "brand" in codes:
            groups.append((codes["brand"][items].tolist(), self.settings.brand))
        return groups


def _categories(items: Int32, codes: Mapping[str, Int32], level: int) -> Int64:
    """(N,) the category of each of ``items`` (N,) by number: its path, or the first ``level`` of it; -1 for none.

    codes: category_1, category_2, … are the first 1, 2, … levels of the path, -1 where it is shorter.
    """
    # An attribute of the shop's own may be called category_colour.
    names = takewhile(codes.__contains__, (f"category_{depth}" for depth in count(1)))
    prefixes = [codes[name] for name in islice(names, level or None)]
    numbers: Int64 = np.full(len(items), -1, np.int64)
    for depth, values in enumerate(prefixes):
        known = values[items]
        numbers = np.where(known >= 0, known.astype(np.int64) * len(prefixes) + depth, numbers)
    return numbers


def _screen(left: Sequence[int], groups: Sequence[tuple[Sequence[int], int]]) -> tuple[list[int], list[int]]:
    """The next screen out of ``left``, and what then is left."""
    counted: list[tuple[Sequence[int], int, dict[int, int]]] = [(values, most, {}) for values, most in groups]
    screen: list[int] = []
    behind: list[int] = []
    for place, position in enumerate(left):
        if len(screen) == SCREEN:
            return screen, [*behind, *left[place:]]
        for values, most, counts in counted:
            if values[position] >= 0 and counts.get(values[position], 0) == most:
                behind.append(position)
                break
        else:
            screen.append(position)
            for values, _, counts in counted:
                counts[values[position]] = counts.get(values[position], 0) + 1
    missing = SCREEN - len(screen)
    return [*screen, *behind[:missing]], behind[missing:]
