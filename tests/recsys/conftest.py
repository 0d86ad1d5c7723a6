"""Small worlds in memory, so small that the right answer is known: built without anything of ``index``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.interactions import Interactions
from recsys.model import Snapshot
from recsys.query import Candidates, History, Query
from recsys.serving import ServingConfig
from recsys.sources.ease import Ease
from recsys.sources.item2vec import Item2Vec
from recsys.sources.two_tower import TwoTowerSource
from recsys.sparse import SparseTable

from .checkerboard import board_of_13, checkerboard_events, hole_of
from .small_sources import ease_of, item2vec_of, sparse_of, towers_of
from .small_worlds import NOW, Event, history_of, interactions_of, snapshot_of

World = Callable[..., Snapshot]


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
    """The checkerboard of 13 users and 16 items with every kind of source; user 12 never took anything."""
    return board_of_13()


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
