"""What features may look at besides the query: the catalogue and everything fitted, as of one time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from recsys.als import ItemFactors
from recsys.arrays import Float32, Int32, frozen
from recsys.catalogue import Catalogue
from recsys.profiles import Profiles
from recsys.statistics import NAMES, ItemStatistics
from recsys.text_vectors import TextVectors

# A cross of two code families is only worth a feature family while its groups still hold a few items.
MOST_FAMILIES = 9
# Between the two names of a crossed family.
CROSS = " x "


@dataclass(frozen=True, slots=True)
class Context:
    """Fitted state as of ``statistics.at``; training builds one a window, the server reads one from the snapshot.

    families: code family -> int32 (n_items,), -1 missing (the catalogue's own and their crosses) ·
    shares: family -> float32 (n_items,), an item's share of its group's users in the last 12 weeks, first_shares: of
    those new to it in the last 8 ·
    factors / texts: None when the data had nothing to fit them on · platforms: names, by the number of each.
    """

    catalogue: Catalogue
    statistics: ItemStatistics
    families: Mapping[str, Int32]
    shares: Mapping[str, Float32]
    first_shares: Mapping[str, Float32]
    profiles: Profiles
    factors: ItemFactors | None
    texts: TextVectors | None
    platforms: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        statistics: ItemStatistics,
        *,
        profiles: Profiles,
        factors: ItemFactors | None,
        texts: TextVectors | None,
        platforms: tuple[str, ...] = (),
    ) -> Context:
        """Derive families and shares; both are cheap (milliseconds for 100,000 items) and never stored."""
        families = code_families(catalogue.codes)
        return cls(catalogue, statistics, families, {}, {}, profiles, factors, texts, platforms).as_of(statistics)

    def as_of(self, statistics: ItemStatistics) -> Context:
        """The same with other statistics, and the shares that follow from them."""
        takers = Takers.of(statistics)
        shares = {name: takers.shares(codes) for name, codes in self.families.items()}
        first_shares = {name: takers.first_shares(codes) for name, codes in self.families.items()}
        return replace(self, statistics=statistics, shares=shares, first_shares=first_shares)


@dataclass(frozen=True, slots=True)
class Takers:
    """users (n_items,) in the last 12 weeks · first (n_items,): rate of those new to it in the last 8."""

    users: Float32
    first: Float32

    @classmethod
    def of(cls, statistics: ItemStatistics) -> Takers:
        """Of all items."""
        return cls.of_rows(statistics.values)

    @classmethod
    def of_rows(cls, values: Float32) -> Takers:
        """Of the items whose statistics are ``values`` (m, 15)."""
        return cls(np.expm1(values[:, NAMES.index("users_12w")]), values[:, NAMES.index("first_rate_8w")])

    def with_newcomers(self, late: Takers) -> Takers:
        """With the items of ``late`` behind these."""
        return Takers(np.concatenate([self.users, late.users]), np.concatenate([self.first, late.first]))

    def shares(self, codes: Int32) -> Float32:
        """(n_items,) each item's share of the users of its group."""
        return _share(codes, self.users, 1.0)

    def first_shares(self, codes: Int32) -> Float32:
        """(n_items,) each item's share of those who are new to its group's items."""
        return _share(codes, self.first, float(self.first.max(initial=0.0)) / 100)


def code_families(codes: Mapping[str, Int32]) -> dict[str, Int32]:
    """The catalogue's families without copies of one partition, and the deepest category crossed with the others."""
    families: dict[str, Int32] = {}
    seen: list[Int32] = []
    for name, values in codes.items():
        if len(values) and not any(_same_partition(values, other) for other in seen):
            families[name] = values
            seen.append(values)
    levels = [name for name in families if name.startswith("category_")]
    if levels:
        deepest = levels[-1]
        for name in [name for name in families if name not in levels]:
            if len(families) >= MOST_FAMILIES:
                break
            families[f"{deepest}{CROSS}{name}"] = _cross(families[deepest], families[name])
    return dict(list(families.items())[:MOST_FAMILIES])


def _cross(a: Int32, b: Int32) -> Int32:
    both = (a >= 0) & (b >= 0)
    key = np.where(both, a.astype(np.int64) * (int(b.max(initial=0)) + 1) + b, -1)
    _, inverse = np.unique(key, return_inverse=True)
    # np.unique puts -1 first where it occurs; shifting makes it the missing code again.
    return frozen(inverse - (0 if both.all() else 1), np.int32)


def _same_partition(a: Int32, b: Int32) -> bool:
    if not np.array_equal(a < 0, b < 0):
        return False
    n_pairs = len(np.unique(a.astype(np.int64) * (int(b.max(initial=0)) + 2) + b))
    return n_pairs == len(np.unique(a)) == len(np.unique(b))


def _share(codes: Int32, users: Float32, prior: float) -> Float32:
    known = codes >= 0
    total = np.bincount(codes[known], weights=users[known].astype(np.float64), minlength=1)
    share = np.full(len(codes), np.nan, np.float32)
    share[known] = users[known] / (total[codes[known]] + prior + 1e-12)
    return frozen(share, np.float32)
