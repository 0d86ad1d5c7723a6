"""Everything that is fitted on events before a time, in one call: the same for a training window and for serving."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace

import numpy as np

from index.adoption import fit_adoption
from index.ease import fit_ease
from index.factorise import AlsSettings, factorise, preferences
from index.fit_settings import USUAL, FitSettings
from index.given import Known, TwoTowerSettings
from index.item2vec import Item2VecSettings, fit_item2vec
from index.neighbours import followers, item_neighbours, user_neighbours
from index.progress import OpenStage, unseen
from index.segments import fit_segments
from index.settings import OPTIONAL_SOURCES as OPTIONAL
from index.two_tower import fit_two_tower
from recsys.arrays import Float32, Int32
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.interactions import Interactions
from recsys.model import Model
from recsys.prices import prices_as_of
from recsys.profiles import Profiles
from recsys.sources.affinity import AffinityPopular
from recsys.sources.content import Content
from recsys.sources.factors import Factors
from recsys.sources.popular import Popular
from recsys.sources.popularity import FRESH, POPULAR, ranked, takers_of
from recsys.sources.stored import StoredSource
from recsys.sources.two_tower import TwoTowerSource
from recsys.statistics import ItemStatistics
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex

N_SAMPLE = 128
ITEMS_A_GROUP = 10


@dataclass(frozen=True, slots=True)
class Timeless:
    """What does not depend on when: the catalogue, profiles and text embeddings.

    vectors (T, d) and text_of (n_items,): row of each item's text, -1 without; both None without any text ·
    text_index: over ``vectors``, built once for all windows · platforms: of the data, by number.
    """

    catalogue: Catalogue
    profiles: Profiles
    vectors: Float32 | None
    text_of: Int32 | None
    text_index: VectorIndex | None
    platforms: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        profiles: Profiles,
        vectors: Float32 | None,
        text_of: Int32 | None,
        *,
        seed: int,
        platforms: tuple[str, ...] = (),
    ) -> Timeless:
        """Build the text index; sample queries are means of a few texts, as users' interests are."""
        if vectors is None or text_of is None or not len(vectors):
            return cls(catalogue, profiles, None, None, None, platforms)
        rng = np.random.default_rng(seed)
        sample = vectors[rng.integers(len(vectors), size=(N_SAMPLE, 8))].mean(axis=1)
        return cls(
            catalogue, profiles, vectors, text_of, VectorIndex.build(vectors, sample=sample, seed=seed), platforms
        )


def fit(
    timeless: Timeless,
    interactions: Interactions,
    n_users: int,
    *,
    at: int,
    seed: int,
    off: Set[str] = frozenset(),
    settings: FitSettings = USUAL,
    stage: OpenStage = unseen,
) -> Model:
    """Sources and context as of ``at`` from ``interactions``, all of which lie before it.

    off: of ``OPTIONAL``, the sources that are not to be fitted · stage: opens a stage for what takes long.
    """
    n_items = len(timeless.catalogue)
    catalogue = replace(timeless.catalogue, prices=prices_as_of(timeless.catalogue.prices, interactions))
    statistics = ItemStatistics.fit(interactions, n_items, at, fade_weeks=settings.fade_weeks)
    factors = fit_factors(interactions, n_users, n_items, at=at, settings=settings.als, seed=seed)
    content = None
    if timeless.vectors is not None and timeless.text_of is not None and timeless.text_index is not None:
        texts = TextVectors.of(timeless.vectors, timeless.text_of, statistics.column("users_12w"))
        content = Content(texts, timeless.text_index)
    context = Context.of(
        catalogue,
        statistics,
        profiles=timeless.profiles,
        factors=factors.model if factors else None,
        texts=content.texts if content else None,
        platforms=timeless.platforms,
    )
    more = _more(timeless, context, interactions, n_users, at=at, seed=seed, off=off, settings=settings, stage=stage)
    return Model(context, ranked(POPULAR, statistics), factors, content, more)


def _more(
    timeless: Timeless,
    context: Context,
    interactions: Interactions,
    n_users: int,
    *,
    at: int,
    seed: int,
    off: Set[str],
    settings: FitSettings,
    stage: OpenStage,
) -> tuple[StoredSource, ...]:
    """Collaborative and popularity sources beside matrix factorisation; those the data has nothing for are left out."""
    statistics, n_items = context.statistics, len(context.catalogue)
    table = preferences(interactions, n_users, n_items, at)
    fits: Mapping[str, Callable[[], StoredSource | None]] = {
        "ease": lambda: fit_ease(table, settings=settings.ease, seed=seed),
        "item-knn": lambda: item_neighbours(table, similarity=settings.similarity),
        "user-knn": lambda: user_neighbours(table, interactions, at, settings=settings.neighbours),
        "next": lambda: followers(interactions, n_items),
        "item2vec": lambda: fit_item2vec(interactions, n_items, settings=Item2VecSettings(), seed=seed),
        "affinity": lambda: _affinity(context),
        "segment": lambda: fit_segments(timeless.profiles, interactions, n_items, at),
        "first": lambda: ranked("first", statistics),
        "trending": lambda: ranked("trending", statistics),
        "fresh": lambda: _fresh(statistics),
        "adoption": lambda: fit_adoption(timeless.profiles, interactions, n_items, at, seed=seed),
        "two-tower": lambda: _towers(timeless, context, interactions, at=at, seed=seed, stage=stage),
    }
    found = [fits[name]() for name in OPTIONAL if name not in off]
    return tuple(source for source in found if source is not None)


def _fresh(statistics: ItemStatistics) -> Popular | None:
    """What is taken most of what was first taken in the last weeks; None where everything is new or nothing is."""
    source = ranked(FRESH, statistics)
    n_known = np.count_nonzero(np.isfinite(statistics.column("age_weeks")))
    return source if 0 < len(source.ranking) < n_known else None


def _towers(
    timeless: Timeless, context: Context, interactions: Interactions, *, at: int, seed: int, stage: OpenStage
) -> TwoTowerSource | None:
    """A two-tower model over the factors of the same time; None without factors or with too little to learn from."""
    if context.factors is None:
        return None
    known = Known(context.factors, context.catalogue.codes, timeless.profiles, timeless.vectors, timeless.text_of)
    return fit_two_tower(interactions, known, at=at, settings=TwoTowerSettings(), seed=seed, stage=stage)


def _affinity(context: Context) -> AffinityPopular | None:
    groups = _groups(context)
    return AffinityPopular.of(groups, takers_of(context.statistics)) if groups is not None else None


def _groups(context: Context) -> Int32 | None:
    """The groups popularity is split by: the finest categories that still hold enough items each, else brands."""
    codes = context.catalogue.codes
    name = grouped_by({name: len(np.unique(of[of >= 0])) for name, of in codes.items()}, len(context.catalogue))
    return codes[name] if name else None


def grouped_by(n_groups: Mapping[str, int], n_items: int) -> str:
    """The code family that popularity is split by, of families in the catalogue's order; "" when none tells apart."""
    chosen = ""
    for name, n in n_groups.items():
        if n > 1 and (not chosen or (name.startswith("category") and ITEMS_A_GROUP * n <= n_items)):
            chosen = name
    return chosen


def fit_factors(
    interactions: Interactions, n_users: int, n_items: int, *, at: int, settings: AlsSettings, seed: int
) -> Factors | None:
    """Matrix factorisation as a source; None when too little is known for one."""
    found = factorise(interactions, n_users, n_items, at=at, settings=settings, seed=seed)
    if found is None:
        return None
    vectors = np.ascontiguousarray(found.model.factors[found.items])
    sample = np.random.default_rng(seed).choice(found.users, min(N_SAMPLE, len(found.users)), replace=False)
    return Factors(found.model, VectorIndex.build(vectors, sample=sample, seed=seed), found.items)
