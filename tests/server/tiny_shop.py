"""A tiny shop, written and published by the real store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.features.assemble import assemble
from recsys.fusion import Fusion
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.lexical import WordIndex
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.ranker import Forest
from recsys.serving import built_in
from recsys.snapshot.files import SnapshotWriter
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.signature import SigningKey
from recsys.snapshot.store import SnapshotStore
from recsys.sources.content import Content
from recsys.sources.factors import Factors
from recsys.sources.popular import Popular
from recsys.sources.segment import SegmentPopular
from recsys.statistics import ItemStatistics
from recsys.text_column import TextColumn
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex

N_USERS, N_ITEMS, N_FACTORS = 24, 60, 8
LAST_EVENT_AT = 1_500_000_000
OUT_OF_STOCK = 5
ALL_ITEMS = [f"1-i{i:02d}" for i in range(N_ITEMS)]  # of seed 1


def tiny_snapshot(seed: int) -> Snapshot:
    """24 users, 60 items; item ids begin with the seed, so that an answer shows which snapshot it comes from."""
    rng = np.random.default_rng(seed)
    n_events = 600
    times = LAST_EVENT_AT - rng.integers(0, 80 * 86_400, n_events)
    times[0] = LAST_EVENT_AT
    interactions = Interactions.ordered(
        users=rng.integers(0, N_USERS, n_events),
        items=np.minimum(rng.geometric(0.05, n_events) - 1, N_ITEMS - 1),
        times=times,
        weights=np.ones(n_events),
        targets=np.ones(n_events, bool),
    )
    prices = rng.uniform(1, 20, N_ITEMS).astype(np.float32)
    prices[3] = np.nan
    in_stock = np.ones(N_ITEMS, bool)
    in_stock[OUT_OF_STOCK] = False
    catalogue = Catalogue(
        items=IdMap.of(f"{seed}-i{i:02d}" for i in range(N_ITEMS)),
        titles=TextColumn.of(f"Product {i} 茶" for i in range(N_ITEMS)),
        categories=TextColumn.of(f"Food > Shelf {i % 4}" for i in range(N_ITEMS)),
        brands=TextColumn.of("" if i % 2 else "Own" for i in range(N_ITEMS)),
        prices=prices,
        in_stock=in_stock,
        created_at=np.zeros(N_ITEMS, np.int64),
        codes={"category_1": frozen(np.arange(N_ITEMS) % 4, np.int32)},
    )
    statistics = ItemStatistics.fit(interactions, N_ITEMS, LAST_EVENT_AT + 1)
    vectors = rng.normal(size=(N_ITEMS, N_FACTORS)).astype(np.float32)
    factors = Factors(
        ItemFactors.of(vectors, regularisation=1.0, alpha=1.0),
        VectorIndex.build(vectors, sample=vectors[:4], seed=seed),
        frozen(np.arange(N_ITEMS), np.int32),
    )
    context = Context.of(
        catalogue,
        statistics,
        profiles=Profiles((), np.zeros((N_USERS, 0), np.float32)),
        factors=factors.model,
        texts=None,
    )
    popular = Popular.of(frozen(statistics.column("users_4w"), np.float32))
    return Snapshot.of(
        Model(context, popular, factors, None),
        rankers={},
        users=IdMap.of(f"user-{i:02d}" for i in range(N_USERS)),
        histories=Histories.of_interactions(interactions, N_USERS),
        configs=built_in(),
        last_event_at=LAST_EVENT_AT,
    )


def tiny_forest(snapshot: Snapshot, seed: int, **parameters: Any) -> Forest:
    """Eight small trees that liken the snapshot's own candidates to a random taste: something to rank by."""
    asks = [Ask(at=LAST_EVENT_AT + 1, user_id=user_id) for user_id in snapshot.users.ids(range(N_USERS))]
    queries = [resolve(ask, snapshot).query for ask in asks]
    pipeline = snapshot.pipeline
    candidates = [pipeline.retrieve(query)[0] for query in queries]
    features = assemble(pipeline.families, queries, candidates, pipeline.context)[0]
    values = np.nan_to_num(features.astype(np.float64))
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    tastes = standard @ np.random.default_rng(seed).normal(size=features.shape[1])
    chosen = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": seed, **parameters}
    labels = (tastes > np.median(tastes)).astype(np.float32)
    return Forest(lgb.train(chosen, lgb.Dataset(features, labels, params=chosen), 8))


def ranked_snapshot(seed: int, fusions: Mapping[str, Fusion] | None = None, **parameters: Any) -> Snapshot:
    """``tiny_snapshot`` with two rankers; ``parameters`` are LightGBM's for the one named discover."""
    snapshot = tiny_snapshot(seed)
    rankers = {"home": tiny_forest(snapshot, seed), "discover": tiny_forest(snapshot, seed + 100, **parameters)}
    return replace(snapshot, rankers=rankers, pipeline=snapshot.model.pipeline(rankers, fusions))


def publish_tiny(
    root: Path,
    seed: int = 1,
    *,
    ranked: bool = False,
    fusions: Mapping[str, Fusion] | None = None,
    target_types: Sequence[str] = (),
    **parameters: Any,
) -> str:
    """Write, commit and publish ``tiny_snapshot(seed)``, or ``ranked_snapshot``, under ``root``; its version."""
    snapshot = ranked_snapshot(seed, fusions, **parameters) if ranked else tiny_snapshot(seed)
    config = {"events": {"target_types": list(target_types)}} if target_types else {}
    version = commit_tiny(root, snapshot, seed=seed, config=config)
    SnapshotStore(root).publish(version)
    return version


def commit_tiny(
    root: Path,
    snapshot: Snapshot,
    *,
    key: SigningKey | None = None,
    before_sealing: Callable[[Path], object] = lambda _: None,
    **facts: Any,
) -> str:
    """Write and commit ``snapshot`` under ``root`` without publishing it; its version. ``facts`` of its manifest."""
    store = SnapshotStore(root)
    usual: dict[str, Any] = {
        "built_at": "2017-07-15T00:00:00+00:00",
        "event_window_start": LAST_EVENT_AT - 80 * 86_400,
        "event_window_end": LAST_EVENT_AT,
        "seed": 1,
        "config": {},
        "features": snapshot.feature_names,
        "packages": {},
        "gates": [],
        "serving_configs": {name: config.to_json() for name, config in snapshot.configs.items()},
        "n_users": N_USERS,
        "n_items": N_ITEMS,
        "n_events": 600,
        "sources": list(snapshot.pipeline.sources),
    }
    with store.staging() as folder:
        snapshot.write(SnapshotWriter(folder))
        before_sealing(folder)
        return store.commit(folder, Manifest.seal(folder, **usual | facts), key)


def searchable_snapshot(seed: int, *, width: int = 4) -> Snapshot:
    """``tiny_snapshot`` with texts: "Product 7. Food. Shelf 3", along an axis a shelf as the toy encoder has it."""
    snapshot = tiny_snapshot(seed)
    texts = [f"Product {i}. Food. Shelf {i % 4}" for i in range(N_ITEMS)]
    vectors = np.full((N_ITEMS, width), 0.1, np.float32)
    vectors[np.arange(N_ITEMS), np.arange(N_ITEMS) % 4] = 1.0
    vectors[:, 0] += 1e-3 * np.arange(N_ITEMS)  # no two alike
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    context = snapshot.model.context
    table = TextVectors.of(vectors, frozen(np.arange(N_ITEMS), np.int32), context.statistics.column("users_12w"))
    content = Content(table, VectorIndex.build(vectors, sample=vectors[:4], seed=seed))
    return Snapshot.of(
        replace(snapshot.model, context=replace(context, texts=table), content=content),
        rankers={},
        users=snapshot.users,
        histories=snapshot.histories,
        configs=snapshot.configs,
        last_event_at=snapshot.last_event_at,
        words=WordIndex.of(texts),
    )


def publish_profiled(root: Path, *, seed: int = 1) -> str:
    """Write and publish ``tiny_snapshot(seed)`` with profiles: age, and a taste for even or odd items; its version."""
    snapshot = tiny_snapshot(seed)
    users, items = np.arange(N_USERS), np.arange(N_ITEMS)
    values = np.stack([users % 2, 20 + users], axis=1).astype(np.float32)
    profiles = Profiles(("taste", "age"), values, {"taste": ("even", "odd")})
    context = replace(snapshot.model.context, profiles=profiles)
    lift = np.zeros((profiles.bins.n_bins, N_ITEMS), np.float32)
    lift[0, items % 2 == 0] = lift[1, items % 2 == 1] = 3.0
    segment = SegmentPopular(
        frozen(items, np.int32),
        frozen(np.log1p(context.statistics.column("users_4w")), np.float32),
        frozen(lift, np.float32),
        frozen(profiles.bins.bins(values), np.int32),
    )
    whole = Snapshot.of(
        replace(snapshot.model, context=context, more=(segment,)),
        rankers={},
        users=snapshot.users,
        histories=snapshot.histories,
        configs=snapshot.configs,
        last_event_at=snapshot.last_event_at,
    )
    version = commit_tiny(root, whole, seed=seed)
    SnapshotStore(root).publish(version)
    return version


def publish_searchable(root: Path, *, model: str = "toy", seed: int = 1) -> str:
    """Write, commit and publish ``searchable_snapshot(seed)``, whose texts were encoded by ``model``; its version."""
    version = commit_tiny(root, searchable_snapshot(seed), config={"encoder": {"model": model}}, seed=seed)
    SnapshotStore(root).publish(version)
    return version
