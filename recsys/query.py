"""The nouns of the online path. All frozen; arrays are read-only."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Float32, Float64, Int32, Int64, frozen
from recsys.draws import Draws
from recsys.platforms import UNKNOWN
from recsys.serving import Scope, ServingConfig

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class History:
    """One user's interactions, newest first.

    items (n,) int32 item numbers · times (n,) int64 epoch seconds, non-increasing · weights (n,) float32 >= 0,
    0 for a dislike · targets (n,) bool, True for an event of a target type (only those make an item owned).
    """

    items: Int32
    times: Int64
    weights: Float32
    targets: Bool

    def __len__(self) -> int:
        return len(self.items)

    def before(self, at: int) -> History:
        """The part that happened strictly before ``at`` (epoch seconds)."""
        start = int(np.searchsorted(-self.times, -at, side="right"))
        return self if start == 0 else self.since_position(start)

    def after(self, at: int) -> History:
        """The part that happened strictly after ``at`` (epoch seconds)."""
        end = int(np.searchsorted(-self.times, -at, side="left"))
        if end == len(self):
            return self
        return History(self.items[:end], self.times[:end], self.weights[:end], self.targets[:end])

    def since_position(self, start: int) -> History:
        """Interactions from position ``start`` (towards the past)."""
        return History(self.items[start:], self.times[start:], self.weights[start:], self.targets[start:])

    @property
    def owned(self) -> Int32:
        """Distinct item numbers with a target event, ascending."""
        return np.unique(self.items[self.targets])


EMPTY_HISTORY = History(
    items=frozen([], np.int32), times=frozen([], np.int64), weights=frozen([], np.float32), targets=frozen([], np.bool_)
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one person by now, in the columns of the snapshot's profiles.

    values (P,) float32, NaN unknown · bins (P,) int32: the values by ``ProfileBins``, -1 unknown.
    """

    values: Float32
    bins: Int32


@dataclass(frozen=True, slots=True)
class Query:
    """One request in the domain; one LightGBM group. "Now" is ``at``: nothing below reads a clock.

    user_id: the caller's id, "" when anonymous · user: its number in the snapshot, None when unknown ·
    allowed (n_items,) bool: what may be shown at all (stock, exclusions, the serving config's rules, the filter) ·
    owned (m,) int32 ascending: items the user already has · context_items: what is on the page now ·
    limit: how many to show · at: epoch seconds · keep_features: the answer carries the features of what it shows ·
    filtered: a filter is part of ``allowed`` · filling (n_items,) bool: the same without the filter, what may fill a
    page that it leaves short; None where nothing may · promoted: what passes each promotion of ``config``, an item a
    bit · account: of how many first places the answer tells what policies moved, 0 = it does not · relevant: what the
    text of a search is about, best first, and all that ``allowed`` leaves; None where no text was asked · profile: in
    place of the one that the snapshot has of ``user``, None: it is that one · selves: numbers of all that is the asker
    in the snapshot, ``user`` and linked visitors, or who was erased, whom nothing may be concluded from · draws: what
    chance gives which places, None where it gives none · platform: where the asker is, by number, -1 unknown.
    """

    user_id: str
    user: int | None
    history: History
    allowed: Bool
    owned: Int32
    limit: int
    at: int
    config: ServingConfig
    context_items: Int32 = field(default_factory=lambda: frozen([], np.int32))
    keep_features: bool = False
    filtered: bool = False
    filling: Bool | None = None
    promoted: tuple[NDArray[np.uint8], ...] = ()
    account: int = 0
    relevant: Hits | None = None
    profile: Profile | None = None
    selves: tuple[int, ...] = ()
    draws: Draws | None = None
    platform: int = UNKNOWN
    remembered: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    def remember(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """``work_out()``, called once a query and ``key``: sources and features ask for the same user vectors.

        Copies made with ``replace`` share it: only what the user, profile, history and ``at`` decide may go here.
        """
        if key not in self.remembered:
            self.remembered[key] = work_out()
        value: T = self.remembered[key]
        return value

    def bins_of(self, table: Int32) -> Int32:
        """The known bins of the asker's profile, of which ``table`` (n_users, P) has the snapshot's, -1 unknown."""
        if self.profile is None:
            return known_bins(table, self.user)
        return self.profile.bins[self.profile.bins >= 0]


@dataclass(frozen=True, slots=True)
class Hits:
    """One source's answer: items (k',) int32 unique and never -1, scores (k',) float32, best first."""

    items: Int32
    scores: Float32

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def best_first(cls, items: Int32, scores: Float32, limit: int) -> Hits:
        """The ``limit`` best by score, descending; ties by item number; NaN scores last."""
        if len(items) > limit:
            if limit <= 0:
                return EMPTY_HITS
            # A partial sort on (score, item) would cost more than sorting the few survivors of a threshold. Negated,
            # because NaN sorts last: it must not take a place from a score.
            threshold = np.partition(-scores, limit - 1)[limit - 1]
            if not np.isnan(threshold):
                keep = -scores <= threshold
                items, scores = items[keep], scores[keep]
        order = np.lexsort((items, -scores))[:limit]
        return cls(frozen(items[order], np.int32), frozen(scores[order], np.float32))


EMPTY_HITS = Hits(items=frozen([], np.int32), scores=frozen([], np.float32))


@dataclass(frozen=True, slots=True)
class Candidates:
    """The union of the sources' hits, in item order, so that the same hits always give the same rows.

    items (C,) int32 · names (S,) source names · scores (C, S) float32 and ranks (C, S) float32 from 0:
    NaN where that source did not return the item.
    """

    items: Int32
    names: tuple[str, ...]
    scores: Float32
    ranks: Float32

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Slate:
    """The ordered list: items (N,) int32 and scores (N,) float32, best first."""

    items: Int32
    scores: Float32

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage did: ``count`` rows that left it and the seconds it took."""

    name: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """What one rule or policy did: n_moved places that hold another item since, n_removed items that it alone forbids.

    Places are those of the list up to its length, items those of the catalogue.
    """

    name: str
    n_moved: int = 0
    n_removed: int = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the shown items came from: names (S,), scores and ranks (N, S), NaN where a source did not return it."""

    names: tuple[str, ...]
    scores: Float32
    ranks: Float32


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A slate with its account: stages, provenance row by row, and sources that failed (named, never swallowed).

    features (N, F): what the ranker saw of each item of the slate; None unless the query wanted it and it was ranked ·
    skipped_sources: those there was no time to ask · is_ranked: False where there was no time for features and ranker ·
    policies: what each moved, if the query wanted it · promotions (N,): what brought each item there, "" its own merit;
    () for none at all · explored, propensities (N,): whether chance brought it, and how likely it was there given those
    before it; None where nothing is left to chance.
    """

    slate: Slate
    stages: tuple[Stage, ...]
    provenance: Provenance
    failed_sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    features: Float32 | None = None
    skipped_sources: tuple[str, ...] = ()
    is_ranked: bool = True
    policies: tuple[PolicyStep, ...] = ()
    promotions: tuple[str, ...] = ()
    explored: Bool | None = None
    propensities: Float64 | None = None

    def without(self, items: Sequence[int], *, limit: int) -> Recommendation:
        """The same with only the first ``limit`` rows of those that are none of ``items``."""
        slate, provenance = self.slate, self.provenance
        rows = np.flatnonzero(~np.isin(slate.items, np.array(items, np.int32)))[:limit]
        return replace(
            self,
            slate=Slate(frozen(slate.items[rows], np.int32), frozen(slate.scores[rows], np.float32)),
            provenance=Provenance(provenance.names, provenance.scores[rows], provenance.ranks[rows]),
            features=None if self.features is None else self.features[rows],
            promotions=tuple(self.promotions[row] for row in rows.tolist()) if self.promotions else (),
            explored=None if self.explored is None else self.explored[rows],
            propensities=None if self.propensities is None else self.propensities[rows],
        )


def known_bins(table: Int32, user: int | None) -> Int32:
    """The known bins of user number ``user`` in ``table`` (n_users, P), -1 unknown; none for None."""
    if user is None:
        return table[:0].ravel()
    bins: Int32 = table[user][table[user] >= 0]
    return bins


def narrowed(allowed: Bool, owned: Int32, scope: Scope) -> Bool:
    """A copy of the mask ``allowed`` (n_items,) cut to what the user owns, or to what they do not."""
    if scope is Scope.OWNED:
        mask = np.zeros_like(allowed)
        mask[owned] = allowed[owned]
        return mask
    mask = allowed.copy()
    if scope is Scope.NEW:
        mask[owned] = False
    return mask
