"""Small worlds in memory, so small that the right answer is known: built without anything of ``index``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.catalogue import Catalogue
from recsys.context import Context
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.query import Candidates, History, Query
from recsys.ranker import Forest
from recsys.serving import ServingConfig, built_in
from recsys.sources.affinity import AffinityPopular
from recsys.sources.content import Content
from recsys.sources.ease import Ease
from recsys.sources.factors import Factors
from recsys.sources.item2vec import Item2Vec
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sources.popular import Popular
from recsys.sources.segment import SegmentPopular
from recsys.sources.stored import StoredSource
from recsys.sources.two_tower import TwoTowerSource
from recsys.sources.user_neighbours import UserNeighbours
from recsys.sparse import SparseTable
from recsys.statistics import ItemStatistics
from recsys.text_column import TextColumn
from recsys.text_vectors import TextVectors
from recsys.two_tower import FADES_WEEKS, TwoTower
from recsys.vector_index import VectorIndex

NOW = 1_500_000_000
DAY = 86_400

# One event: (user, item, days before NOW) and, where they differ, weight 1 and target True.
Event = tuple[int, int, float] | tuple[int, int, float, float, bool]
World = Callable[..., Snapshot]


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


def sparse_of(dense: Any) -> SparseTable:
    """The table of a matrix's entries that are not 0."""
    values = np.array(dense, np.float32)
    rows, columns = np.nonzero(values)
    return SparseTable.of(rows, columns, values[rows, columns], (values.shape[0], values.shape[1]))


def ease_of(preferences: Any, *, penalty: float, items: Any = None, indexed: Any = None) -> Ease:
    """EASE of ``preferences`` (n_users, n) in full, by their singular values; columns are ``items`` (n,)."""
    _, singular, right = np.linalg.svd(np.array(preferences, np.float64), full_matrices=False)
    z = right.T * (singular / np.sqrt(singular**2 + penalty))
    own = (z**2).sum(axis=1)
    vectors = np.ascontiguousarray(z / (1.0 - own)[:, None], np.float32)
    rows = np.arange(len(vectors)) if indexed is None else np.asarray(indexed)
    index = VectorIndex.build(np.ascontiguousarray(vectors[rows]), sample=vectors[:2], seed=0)
    return Ease(
        frozen(vectors, np.float32),
        frozen(own, np.float32),
        frozen(np.arange(len(vectors)) if items is None else items, np.int32),
        frozen(rows, np.int32),
        index,
    )


def item2vec_of(taken: Any, beside: Any = None, *, items: Any = None) -> Item2Vec:
    """Item2Vec of vectors (n, d), those of ``taken`` brought to length 1; rows are ``items`` (n,)."""
    vectors = np.array(taken, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    others = vectors if beside is None else np.array(beside, np.float32)
    rows = frozen(np.arange(len(vectors)) if items is None else items, np.int32)
    index = VectorIndex.build(others, sample=vectors[:2], seed=0)
    return Item2Vec(frozen(vectors, np.float32), frozen(others, np.float32), rows, index)


def towers_of(
    vectors: Any, ids: Any, *, n_spans: int = 1, bins: Any = None, items: Any = None, seed: int = 0, hidden: int = 3
) -> TwoTowerSource:
    """Two towers whose items have ``vectors`` (n, d + n_spans) and ids (n_items, d) that a user is pooled from.

    The user's tower adds the two pooled directions, weighs every chance by a half, and a little of something else.
    """
    rng = np.random.default_rng(seed)
    inputs = np.array(ids, np.float32)
    width, n_fades = inputs.shape[1], len(FADES_WEEKS)
    n_told = n_fades * (width + 1) + 1 + 2
    linear = np.zeros((n_told, width + n_spans))
    linear[: n_fades * width, :width] = np.vstack([np.eye(width)] * n_fades)
    table = np.array(vectors, np.float32)
    model = TwoTower(
        vectors=frozen(table, np.float32),
        items=frozen(np.arange(len(table)) if items is None else items, np.int32),
        inputs=frozen(inputs, np.float32),
        centres=frozen(np.full((n_fades, width), 0.1), np.float32),
        bins=frozen(np.empty((9, 0)) if bins is None else bins, np.int32),
        profile=frozen(rng.normal(size=(0 if bins is None else int(np.max(bins)) + 1, 2)), np.float32),
        linear=frozen(linear, np.float32),
        bias=frozen(np.append(np.zeros(width), np.full(n_spans, 0.5)), np.float32),
        hidden=frozen(rng.normal(size=(n_told, hidden)), np.float32),
        hidden_bias=frozen(rng.normal(size=hidden), np.float32),
        top=frozen(0.1 * rng.normal(size=(hidden, width)), np.float32),
    )
    return TwoTowerSource(model, VectorIndex.build(table, sample=table[:2], seed=0))


def cosines(table: Any) -> Any:
    """Cosine of every two rows (n, n), 0 for a row with itself and for one of nothing."""
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    similar = unit @ unit.T
    np.fill_diagonal(similar, 0.0)
    return similar


def every_source_of(events: Sequence[Event], colour: Any, ages: Any) -> tuple[StoredSource, ...]:
    """One of each kind beyond the first four, for 12 users and 16 items, by the plainest arithmetic there is.

    EASE and the towers know nothing of item 15, Item2Vec of item 14, segments of the last three items; the towers and
    segments know of a profile no more than the age.
    """
    n_items = len(colour)
    taken, lately = np.zeros((12, n_items)), np.zeros((12, n_items))
    for user, item, days, *_ in events:
        taken[user, item] = 1.0
        lately[user, item] = float(days < 21)
    users = taken.sum(axis=0)
    step = (np.arange(n_items)[None, :] - np.arange(n_items)[:, None]) % n_items
    together = taken.T + 0.05 * np.random.default_rng(9).normal(size=taken.T.shape)
    lift = np.random.default_rng(8).normal(size=(2, n_items - 3))
    bins = np.where(np.isfinite(ages), np.where(np.nan_to_num(ages) < 26, 0, 1), -1)[:, None]
    likeness = taken / np.linalg.norm(taken, axis=1, keepdims=True)
    ids = np.eye(2)[colour] + 0.1 * np.random.default_rng(9).normal(size=(n_items, 2))
    return (
        ease_of(taken[:, :15], penalty=2.0),
        ItemNeighbours(sparse_of(cosines(taken.T)), "item-knn"),
        UserNeighbours(sparse_of(likeness.T), sparse_of(lately), frozen(np.arange(12), np.int32)),
        ItemNeighbours(sparse_of(np.select([step == 2, step == 4], [1.0, 0.5], 0.0)), "next", recent=True),
        item2vec_of(np.delete(together, 14, axis=0), items=np.delete(np.arange(n_items), 14)),
        AffinityPopular.of(frozen(colour, np.int32), frozen(users, np.float32)),
        SegmentPopular(
            frozen(np.arange(n_items - 3), np.int32),
            frozen(np.log((users[:-3] + 1) / 14), np.float32),
            frozen(lift, np.float32),
            frozen(bins, np.int32),
        ),
        Popular.of(frozen(taken[:6].sum(axis=0), np.float32), "first"),
        Popular.of(frozen(lately.sum(axis=0), np.float32), "trending"),
        towers_of(np.column_stack([ids, np.log((users + 1) / 14)])[:15], ids, bins=bins),
    )


def checkerboard_events(n_users: int, n_items: int) -> list[Event]:
    """Even users take even items, odd users odd ones; each leaves out one item of their colour."""
    return [
        (user, item, 1 + (7 * user + 3 * item) % 40)
        for user in range(n_users)
        for item in range(user % 2, n_items, 2)
        if item != hole_of(user, n_items)
    ]


def hole_of(user: int, n_items: int) -> int:
    """The one item of their colour that ``user`` of the checkerboard has not taken."""
    return user % n_items if user % n_items % 2 == user % 2 else (user + 1) % n_items


@pytest.fixture(scope="session")
def now() -> int:
    """The time all worlds are seen from."""
    return NOW


@pytest.fixture(scope="session")
def world() -> World:
    """``world(events, n_users=, n_items=, …)``: a snapshot in memory."""
    return snapshot_of


@pytest.fixture(scope="session")
def history() -> Callable[..., History]:
    """``history([(item, days before now[, weight, target]), …])``: a user's history."""
    return history_of


@pytest.fixture(scope="session")
def interactions() -> Callable[..., Interactions]:
    """``interactions([(user, item, days before now[, weight, target]), …])``: the table of events."""
    return interactions_of


@pytest.fixture(scope="session")
def board_events() -> Callable[[int, int], list[Event]]:
    """``board_events(n_users, n_items)``: the checkerboard's events."""
    return checkerboard_events


@pytest.fixture(scope="session")
def hole() -> Callable[[int, int], int]:
    """``hole(user, n_items)``: the item of their colour a checkerboard user lacks."""
    return hole_of


@pytest.fixture(scope="session")
def board() -> Snapshot:
    """The checkerboard of 13 users and 16 items with every kind of source; user 12 never took anything.

    Factors and texts know the colour and little else. Items 14 and 15 have no text, items 0 and 4 share one; item 13
    has no factors. Prices, codes and profiles are there and have holes.
    """
    rng = np.random.default_rng(3)
    n_items = 16
    ages = np.append(np.arange(20.0, 32.0), np.nan)
    events = checkerboard_events(12, n_items)
    colour = np.arange(n_items) % 2
    factors = 0.05 * rng.normal(size=(n_items, 4))
    factors[np.arange(n_items), colour] += 1.0
    text_of = np.array([0, 1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, -1, -1])
    vectors = 0.1 * rng.normal(size=(13, 5))
    vectors[text_of[:14], colour[:14]] += 1.0
    prices = rng.uniform(1, 20, n_items)
    prices[[3, 8]] = np.nan
    brand = np.arange(n_items) % 5
    brand[6] = -1
    return snapshot_of(
        events,
        n_users=13,
        n_items=n_items,
        more=every_source_of(events, colour, ages),
        factors=factors,
        without_factors=(13,),
        vectors=vectors,
        text_of=text_of,
        prices=prices,
        created_at=np.where(np.arange(n_items) % 3 == 0, NOW - 100 * DAY, 0),
        codes={"category_1": colour, "brand": brand},
        profiles={"age": ages, "loyalty_rank": np.arange(13.0)},
    )


@pytest.fixture(scope="session")
def query_of() -> Callable[..., Query]:
    """``query_of(snapshot, user_id, **ask)``: a user's query at NOW; ``allowed`` replaces its mask."""

    def query(snapshot: Snapshot, user_id: str, *, allowed: Any = None, at: int = NOW, **ask: Any) -> Query:
        found = resolve(Ask(at=at, user_id=user_id, **ask), snapshot).query
        return found if allowed is None else replace(found, allowed=frozen(allowed, np.bool_))

    return query


@pytest.fixture(scope="session")
def asked() -> Callable[..., Query]:
    """``asked(history, n_items, user=, allowed=, at=)``: a query at NOW to a source that stands alone."""

    def query(history: History, n_items: int, *, user: int | None = None, allowed: Any = None, at: int = NOW) -> Query:
        mask = np.zeros(n_items, bool)
        mask[range(n_items) if allowed is None else allowed] = True
        config = ServingConfig("any", ())
        return Query("", user, history, frozen(mask, np.bool_), history.owned, 10, at, config)

    return query


@pytest.fixture(scope="session")
def sparse() -> Callable[..., SparseTable]:
    """``sparse(matrix)``: the table of its entries that are not 0."""
    return sparse_of


@pytest.fixture(scope="session")
def ease() -> Callable[..., Ease]:
    """``ease(preferences, penalty=, items=, indexed=)``: EASE in full, by singular values."""
    return ease_of


@pytest.fixture(scope="session")
def item2vec() -> Callable[..., Item2Vec]:
    """``item2vec(taken, beside, items=)``: the source of given vectors."""
    return item2vec_of


@pytest.fixture(scope="session")
def towers() -> Callable[..., TwoTowerSource]:
    """``towers(vectors, ids, n_spans=, bins=, items=)``: a two-tower source of plain arrays."""
    return towers_of


@pytest.fixture(scope="session")
def candidates_of() -> Callable[..., Candidates]:
    """``candidates_of(items, names)``: candidates that no source returned."""

    def candidates(items: Sequence[int], names: Sequence[str] = ()) -> Candidates:
        nothing = np.full((len(items), len(names)), np.nan, np.float32)
        return Candidates(frozen(items, np.int32), tuple(names), nothing, nothing)

    return candidates
