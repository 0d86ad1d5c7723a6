"""The checkerboard: even users take even items, odd users odd ones, and every kind of source says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys.arrays import frozen
from recsys.model import Snapshot
from recsys.sources.adoption import Adoption
from recsys.sources.affinity import AffinityPopular
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sources.popular import Popular
from recsys.sources.segment import SegmentPopular
from recsys.sources.stored import StoredSource
from recsys.sources.user_neighbours import UserNeighbours

from .small_sources import ease_of, item2vec_of, sparse_of, towers_of
from .small_worlds import DAY, NOW, Event, snapshot_of


def cosines(table: Any) -> Any:
    """Cosine of every two rows (n, n), 0 for a row with itself and for one of nothing."""
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    similar = unit @ unit.T
    np.fill_diagonal(similar, 0.0)
    return similar


def every_source_of(events: Sequence[Event], colour: Any, ages: Any) -> tuple[StoredSource, ...]:
    """One of each kind beyond the first four, for 12 users and 16 items, by the plainest arithmetic there is.

    EASE, the towers and adoption know nothing of item 15, Item2Vec of item 14, segments of the last three items; the
    towers, segments and adoption know of a profile no more than the age.
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
        Adoption(
            frozen(np.arange(n_items - 1), np.int32),
            frozen(np.log((users[:-1] + 1) / 14), np.float32),
            frozen(0.3 * together @ together.T[:, :-1], np.float32),
            frozen(np.random.default_rng(7).normal(size=(2, n_items - 1)), np.float32),
            frozen(bins, np.int32),
        ),
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


def board_of_13() -> Snapshot:
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
