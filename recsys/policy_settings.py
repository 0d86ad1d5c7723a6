"""What a serving config says of its policies: which of them, in which order, and how much of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Who looks at a screen of ten items sees all of them.
SCREEN = 10
FRESHNESS, SPREAD, DIVERSITY, CAPS, PROMOTIONS = "freshness", "spread", "diversity", "caps", "promotions"
EXPLORATION = "exploration"
# The first three weigh what an item is worth, the next two give places to what was weighed: whoever comes last has the
# last word, and a place that is sold is not taken back. What moved behind exploration would belie its propensities.
POLICIES = (FRESHNESS, SPREAD, DIVERSITY, CAPS, PROMOTIONS, EXPLORATION)
WEIGHING = frozenset({FRESHNESS, SPREAD, DIVERSITY})
MOST_PROMOTIONS = 16
# What is shown by chance is the smaller part of a list.
LARGEST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class CapSettings:
    """At most so many items of one category and of one brand on a screen; 0 = any number.

    level: how many levels of the category's path make it a category, 0 = all of them, the leaf. ValueError when out of
    range, or when nothing is capped.
    """

    category: int = 0
    brand: int = 0
    level: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.category <= SCREEN and 0 <= self.brand <= SCREEN and self.level >= 0):
            raise ValueError(f"caps must be from 1 to {SCREEN} items, of a category level of at least 1")
        if not self.category and not self.brand:
            raise ValueError("caps must cap category, brand or both")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CapSettings:
        """The caps whose fields are ``values``."""
        return cls(int(values["category"]), int(values["brand"]), int(values["level"]))


@dataclass(frozen=True, slots=True)
class FreshnessSettings:
    """weight: the bonus of a brand-new item in log-odds · half_life_days: after so many it is half. ValueError when not
    finite or negative, or when the half-life is 0.
    """

    weight: float
    half_life_days: float = 30.0

    def __post_init__(self) -> None:
        if not (0 <= self.weight < math.inf and 0 < self.half_life_days < math.inf):
            raise ValueError("freshness must have a weight of at least 0 and a half-life above 0 days, both finite")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FreshnessSettings:
        """The freshness whose fields are ``values``."""
        return cls(float(values["weight"]), float(values["half_life_days"]))


@dataclass(frozen=True, slots=True)
class ExplorationSettings:
    """share: the probability with which a place goes to a new item, 0 to ``LARGEST_SHARE`` · max_age_days: how old an
    item may be and still is new. ValueError when out of range.
    """

    share: float
    max_age_days: float = 28.0

    def __post_init__(self) -> None:
        if not (0 <= self.share <= LARGEST_SHARE and 0 < self.max_age_days < math.inf):
            raise ValueError(f"exploration must have a share from 0 to {LARGEST_SHARE} and an age above 0 days, finite")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ExplorationSettings:
        """The exploration whose fields are ``values``."""
        return cls(float(values["share"]), float(values["max_age_days"]))


@dataclass(frozen=True, slots=True)
class Promotion:
    """Places on each screen for items that pass ``filter``, which is AIP-160 over the catalogue's columns.

    share: at least this part of a screen passes, 0 to 1 · slots: these places of each screen, from 1, are for items
    that pass. ValueError for a share or slots out of range, and when there is neither.
    """

    name: str
    filter: str
    share: float = 0.0
    slots: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or not self.filter.strip():
            raise ValueError("a promotion must have a name and a filter")
        if not 0 <= self.share <= 1 or any(not 1 <= slot <= SCREEN for slot in self.slots):
            raise ValueError(f"promotion {self.name!r} must have a share from 0 to 1 and slots from 1 to {SCREEN}")
        if not self.share and not self.slots:
            raise ValueError(f"promotion {self.name!r} must have a share or slots")
        if len(set(self.slots)) < len(self.slots):
            raise ValueError(f"promotion {self.name!r} has a slot twice")

    @property
    def least(self) -> int:
        """How many items of a screen the share comes to, at least one where there is a share."""
        # A share of 0.3 is 3 places: without rounding, 0.1 * 3 would be a little more than that.
        return math.ceil(round(self.share * SCREEN, 6))

    @property
    def n_places(self) -> int:
        """How many places of a screen this can take; its slots count towards its share."""
        return max(self.least, len(self.slots))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Promotion:
        """The promotion whose fields are ``values``."""
        slots = tuple(int(slot) for slot in values["slots"])
        return cls(str(values["name"]), str(values["filter"]), float(values["share"]), slots)


def check_order(names: Sequence[str]) -> None:
    """Nothing when ``names`` is an order of policies; ValueError with one sentence when not."""
    for name in names:
        if name not in POLICIES:
            raise ValueError(f"policies has {name!r}; there are {', '.join(POLICIES)}")
    if len(set(names)) < len(names):
        raise ValueError("policies must name each policy once")
    placing = False
    for name in names:
        if placing and name in WEIGHING:
            raise ValueError(
                f"policies has {name} too late: freshness, spread and diversity come before caps and promotions"
            )
        placing = placing or name not in WEIGHING
    if EXPLORATION in names[:-1]:
        raise ValueError("policies has exploration too early: it comes last")


def check_promotions(promotions: Sequence[Promotion]) -> None:
    """Nothing when all ``promotions`` fit on one screen; ValueError with one sentence when not."""
    if len(promotions) > MOST_PROMOTIONS:
        raise ValueError(f"promotions must be at most {MOST_PROMOTIONS}, got {len(promotions)}")
    if len({one.name for one in promotions}) < len(promotions):
        raise ValueError("promotions must have different names")
    slots = [slot for one in promotions for slot in one.slots]
    if len(set(slots)) < len(slots):
        taken = next(slot for slot in slots if slots.count(slot) > 1)
        raise ValueError(f"promotions give slot {taken} away twice")
    if (n_places := sum(one.n_places for one in promotions)) > SCREEN:
        raise ValueError(f"promotions take {n_places} of the {SCREEN} places of a screen")
