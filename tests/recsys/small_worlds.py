"""Interactions, histories and snapshots of a handful of events, all seen from NOW."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.query import History
from recsys.ranker import Forest
from recsys.serving import ServingConfig, built_in
from recsys.sources.content import Content
from recsys.sources.factors import Factors
from recsys.sources.popular import Popular
from recsys.sources.stored import StoredSource
from recsys.statistics import ItemStatistics
from recsys.text_column import TextColumn
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex

NOW = 1_500_000_000
DAY = 86_400

# One event: (user, item, days before NOW) and, where they differ, weight 1 and target True.
Event = tuple[int, int, float] | tuple[int, int, float, float, bool]


def interactions_of(events: Sequence[Event]) -> Interactions:
    """The table of ``events``."""
    rows = [event if len(event) == 5 else (*event, 1.0, True) for event in events]
    return Interactions.ordered(
        users=[row[0] for row in rows],
        items=[row[1] for row in rows],
        times=[NOW - round(row[2] * DAY) for row in rows],
        weights=[row[3] for row in rows],
        targets=[row[4] for row in rows],
    )


def history_of(events: Sequence[tuple[Any, ...]]) -> History:
    """One user's history of (item, days before NOW[, weight, target]), newest first."""
    table = interactions_of([(0, *event) for event in events])  # type: ignore[misc]
    return Histories.of_interactions(table, 1).of(0)


def snapshot_of(
    events: Sequence[Event],
    *,
    n_users: int,
    n_items: int,
    factors: Any = None,
    vectors: Any = None,
    text_of: Any = None,
    prices: Any = None,
    in_stock: Any = None,
    created_at: Any = None,
    codes: Mapping[str, Any] | None = None,
    profiles: Mapping[str, Any] | None = None,
    titles: Sequence[str] | None = None,
    rankers: Mapping[str, Forest] | None = None,
    configs: Mapping[str, ServingConfig] | None = None,
    without_factors: Sequence[int] = (),
    more: Sequence[StoredSource] = (),
) -> Snapshot:
    """A snapshot as of NOW of users u00, u01 … and items i00, i01 …; what is left out is unknown."""
    interactions = interactions_of(events)
    catalogue = Catalogue(
        items=IdMap.of(f"i{i:02d}" for i in range(n_items)),
        titles=TextColumn.of(titles or [f"Item {i}" for i in range(n_items)]),
        categories=TextColumn.of([""] * n_items),
        brands=TextColumn.of([""] * n_items),
        prices=frozen(np.full(n_items, np.nan) if prices is None else prices, np.float32),
        in_stock=frozen(np.ones(n_items) if in_stock is None else in_stock, np.bool_),
        created_at=frozen(np.zeros(n_items) if created_at is None else created_at, np.int64),
        codes={name: frozen(values, np.int32) for name, values in (codes or {}).items()},
    )
    statistics = ItemStatistics.fit(interactions, n_items, NOW)
    source = None
    if factors is not None:
        table = np.array(factors, np.float32)
        table[list(without_factors)] = 0.0
        rows = np.setdiff1d(np.arange(n_items), without_factors)
        index = VectorIndex.build(np.ascontiguousarray(table[rows]), sample=table[rows][:4], seed=0)
        source = Factors(ItemFactors.of(table, regularisation=1.0, alpha=2.0), index, frozen(rows, np.int32))
    content = None
    if vectors is not None:
        unit = np.array(vectors, np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        texts = TextVectors.of(unit, frozen(text_of, np.int32), statistics.column("users_12w"))
        content = Content(texts, VectorIndex.build(unit, sample=unit[:4], seed=0))
    columns = [np.asarray(values, np.float32) for values in (profiles or {}).values()]
    context = Context.of(
        catalogue,
        statistics,
        profiles=Profiles(
            tuple(profiles or {}), np.stack(columns, axis=1) if columns else np.empty((n_users, 0), np.float32)
        ),
        factors=source.model if source else None,
        texts=content.texts if content else None,
    )
    return Snapshot.of(
        Model(context, Popular.of(frozen(statistics.column("users_4w"), np.float32)), source, content, tuple(more)),
        rankers=rankers or {},
        users=IdMap.of(f"u{u:02d}" for u in range(n_users)),
        histories=Histories.of_interactions(interactions, n_users),
        configs=configs or built_in(),
        last_event_at=int(interactions.times.max()) if len(interactions) else 0,
    )
