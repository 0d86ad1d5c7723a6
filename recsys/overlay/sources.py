"""The sources of a snapshot over a catalogue that grew. None is fitted again, none fails on a new number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsys.arrays import Float32, Int32, frozen
from recsys.decay import age_weeks, exponential
from recsys.grown import grown
from recsys.query import Query
from recsys.sources.adoption import Adoption
from recsys.sources.affinity import FADE_WEEKS, AffinityPopular
from recsys.sources.ease import Ease
from recsys.sources.factors import Factors
from recsys.sources.item2vec import Item2Vec
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sources.popular import Popular
from recsys.sources.popularity import SCORES, among
from recsys.sources.segment import SegmentPopular
from recsys.sources.stored import StoredSource
from recsys.sources.two_tower import TwoTowerSource
from recsys.sources.user_neighbours import UserNeighbours
from recsys.sparse import SparseTable
from recsys.statistics import NAMES


@dataclass(frozen=True, slots=True)
class Newcomers:
    """What sources are told: numbers (m,) of new items, from n_items on · n_items the snapshot has · statistics (m, 15)
    of them · groups and brands (n_items + m,) codes of all items in the family that ``affinity`` goes by, and of their
    brand; None where there is none · moved: known items that are of another group now.
    """

    numbers: Int32
    n_items: int
    statistics: Float32
    groups: Int32 | None = None
    brands: Int32 | None = None
    moved: Int32 | None = None

    def __len__(self) -> int:
        return len(self.numbers)


def popular(source: Popular, new: Newcomers) -> Popular:
    """New items that somebody took are where that puts them, the others last, by number: so a list that is filled comes
    to them too, and the items that are new to people are joined by those that are new to the shop.

    Copies 8 bytes an item where a new one was taken.
    """
    late: Float32 = np.zeros(len(new), np.float32)
    if source.name in SCORES:
        late = SCORES[source.name](new.statistics)
        eligible = among(source.name, new.statistics)
        late = late if eligible is None else np.where(eligible, late, np.float32(0))
    untaken = late <= 0
    if len(taken := np.flatnonzero(~untaken)):
        taken = taken[np.argsort(-late[taken], kind="stable")]
        places = np.searchsorted(-source.scores, -late[taken], side="right")
        ranking = np.insert(source.ranking, places, new.numbers[taken])
        scores = np.insert(source.scores, places, late[taken])
        source = Popular(frozen(ranking, np.int32), frozen(scores, np.float32), source.name)
    rest = new.numbers[untaken]
    return Popular(grown(source.ranking, rest), grown(source.scores, np.zeros(len(rest), np.float32)), source.name)


def factors(source: Factors, new: Newcomers) -> Factors:
    """New items have no factors, like all that nobody took."""
    table = source.model.factors
    late = np.zeros((len(new), table.shape[1]), np.float32)
    return replace(source, model=replace(source.model, factors=grown(table, late)))


def _two_tower(source: TwoTowerSource, new: Newcomers) -> TwoTowerSource:
    """Who took a new item is known by their others: to place it takes the items' tower, which no snapshot has."""
    table = source.model.inputs
    late = np.zeros((len(new), table.shape[1]), np.float32)
    return replace(source, model=replace(source.model, inputs=grown(table, late)))


def _neighbours(source: ItemNeighbours, new: Newcomers) -> ItemNeighbours:
    return replace(source, table=_wider(_longer(source.table, new), new))


def _takers(source: UserNeighbours, new: Newcomers) -> UserNeighbours:
    return replace(source, takers=_longer(source.takers, new), recent=_wider(source.recent, new))


def _longer(table: SparseTable, new: Newcomers) -> SparseTable:
    """With an empty row for each new item."""
    end = np.full(len(new), table.starts[-1], np.int64)
    return replace(table, starts=grown(table.starts, end))


def _wider(table: SparseTable, new: Newcomers) -> SparseTable:
    return replace(table, n_columns=table.n_columns + len(new))


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownAffinity(AffinityPopular):
    """New items count as the mean item of their group does, and of their brand, whichever the user likes better.

    brands (n_items + m,) codes, brand_strength (m,): as ``strength``, of the last m items by their brand.
    """

    brands: Int32
    brand_strength: Float32

    def _scores(self, query: Query) -> Float32:
        scores = AffinityPopular._scores(self, query)
        history = query.history
        codes = self.brands[history.items]
        weights = history.weights * exponential(age_weeks(history.times, query.at), FADE_WEEKS)
        known = codes >= 0
        liking = np.bincount(codes[known], weights=weights[known], minlength=int(self.brands.max(initial=0)) + 2)
        late = slice(len(scores) - len(self.brand_strength), None)
        by_brand = np.sqrt(liking).astype(np.float32)[self.brands[late]] * self.brand_strength
        scores[late] = np.maximum(scores[late], by_brand)
        return scores


def _affinity(source: AffinityPopular, new: Newcomers) -> AffinityPopular:
    n, m = len(source.codes), len(new)
    groups = new.groups
    if groups is None:
        groups = np.concatenate([source.codes, np.full(m, -1, np.int32)])
    totals, users = _totals(source)
    strength = np.concatenate([source.strength, np.zeros(m, np.float32)])
    # Who took a new item is of its group too. One that was taken has no less than one that nobody could take yet.
    taken = np.expm1(new.statistics[:, NAMES.index("users_12w")])
    mean = mean_strength(groups[n:], source.codes, totals)
    strength[n:] = np.maximum(_strength(taken, groups[n:], totals), mean)
    if new.moved is not None and len(new.moved):
        # Their users came with them, those of both groups stay: other items' strength is the snapshot's.
        codes = groups[new.moved]
        of_group = np.append(totals, np.zeros(max(int(groups.max(initial=-1)) + 1 - len(totals), 0) + 1))[codes]
        strength[new.moved] = np.where(codes >= 0, users[new.moved] / np.sqrt(of_group + 1.0), 0.0)
    groups, strength = frozen(groups, np.int32), frozen(strength, np.float32)
    if new.brands is None or not m:
        return AffinityPopular(groups, strength, source.name)
    brands = new.brands
    by_brand = np.bincount(brands[:n][brands[:n] >= 0], weights=users[brands[:n] >= 0], minlength=1)
    late = frozen(mean_strength(brands[n:], brands[:n], by_brand), np.float32)
    return GrownAffinity(groups, strength, source.name, brands=brands, brand_strength=late)


def _strength(users: Float32, late: Int32, totals: Any) -> Float32:
    """(m,) of new items with so many recent ``users`` (m,) in the groups ``late`` (m,), beside the ``totals`` (G,) of
    the others.
    """
    n_groups = max(int(late.max(initial=-1)) + 1, len(totals))
    of_group = np.zeros(n_groups)
    of_group[: len(totals)] = totals
    known = late >= 0
    of_group += np.bincount(late[known], weights=users[known], minlength=n_groups)
    strength = np.zeros(len(late), np.float32)
    strength[known] = users[known] / np.sqrt(of_group[late[known]] + 1.0)
    return strength


def mean_strength(late: Int32, codes: Int32, totals: Any) -> Float32:
    """(m,) the strength of a mean item of each of the groups ``late`` (m,); codes (n,): the groups of known items, of
    which ``totals`` (G,) recent users there are. 0 for a group without items.
    """
    n_items = np.bincount(codes[codes >= 0], minlength=len(totals))
    strength = np.append(totals / np.maximum(n_items, 1) / np.sqrt(totals + 1.0), 0.0)
    places = np.where((late >= 0) & (late < len(totals)), late, -1)
    found: Float32 = strength[places].astype(np.float32)
    return found


def _totals(source: AffinityPopular) -> tuple[Any, Any]:
    """Recent users of each group (G,) and of each item (n,), out of the strengths: s = u / √(U + 1), Σu = U."""
    known = source.codes >= 0
    sums = np.bincount(source.codes[known], weights=source.strength[known].astype(np.float64), minlength=1)
    # With S = Σs = U / √(U + 1): U = (S² + S·√(S² + 4)) / 2.
    totals = (sums**2 + sums * np.sqrt(sums**2 + 4.0)) / 2.0
    users = np.zeros(len(source.codes))
    users[known] = source.strength[known] * np.sqrt(totals[source.codes[known]] + 1.0)
    return totals, users


def _unchanged(source: StoredSource, new: Newcomers) -> StoredSource:
    """It names the items that it knows, and looks others up among them."""
    return source


# Every kind that a snapshot can have (a test compares with ``READERS``).
OVER: Mapping[type[Any], Callable[[Any, Newcomers], StoredSource]] = {
    Adoption: _unchanged,
    AffinityPopular: _affinity,
    Ease: _unchanged,
    Item2Vec: _unchanged,
    ItemNeighbours: _neighbours,
    Popular: popular,
    SegmentPopular: _unchanged,
    TwoTowerSource: _two_tower,
    UserNeighbours: _takers,
}


def over(source: StoredSource, new: Newcomers) -> StoredSource:
    """``source`` beside ``new`` items. Costs 8 bytes an item for ``affinity``, nothing else."""
    return OVER[type(source)](source, new)


def family_of(codes: Int32, families: Mapping[str, Int32]) -> str:
    """The name of the code family that ``codes`` (n_items,) are; "" when they are none."""
    return next((name for name, other in families.items() if np.array_equal(codes, other)), "")
