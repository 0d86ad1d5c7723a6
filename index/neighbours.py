"""Tables of item neighbours and of user neighbours, by counting who took what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix, diags

from index.at_once import at_once
from recsys.arrays import Float32, Float64, Int64, frozen
from recsys.decay import WEEK_S
from recsys.grouping import Groups
from recsys.interactions import Interactions
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sources.user_neighbours import N_NEAR, UserNeighbours
from recsys.sparse import SparseTable

N_NEIGHBOURS = 100
LEAST_USERS = 2
# A user with thousands of items says little about which belong together, and costs their square.
MOST_ITEMS_A_USER = 250
MOST_POOLED_USERS = 50_000
RECENT_WEEKS = 8.0
LAGS = 5
SEQUENCE_WEEKS = 26.0
BLOCK = 512
Part = tuple[Int64, Int64, Float32 | Float64]  # row, column, value


class Similarity(StrEnum):
    """How two items' users are compared. n_ij users took both, n_i and n_j each, out of U."""

    COSINE = "cosine"  # of TF-IDF weighted preferences
    JACCARD = "jaccard"  # n_ij / (n_i + n_j - n_ij)
    PEARSON = "pearson"  # correlation of the two 0/1 columns


def item_neighbours(
    preferences: csr_matrix, *, similarity: Similarity = Similarity.COSINE, name: str = "item-knn"
) -> ItemNeighbours | None:
    """The ``N_NEIGHBOURS`` most similar items of each; None when no two items share a user.

    Memory: 12 bytes a neighbour; beside cosine, a core, 16 bytes x BLOCK x items with enough users.
    """
    matrix = heaviest(preferences, MOST_ITEMS_A_USER)
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)
    items = np.flatnonzero(counts >= LEAST_USERS)
    matrix, counts, n_users = matrix[:, items].tocsr(), counts[items], max(int((np.diff(matrix.indptr) > 0).sum()), 1)
    if similarity is Similarity.COSINE:
        matrix = (matrix @ diags(np.log1p(n_users / counts))).tocsr()
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
        parts = _cosines((matrix @ diags(1.0 / np.maximum(lengths, 1e-12))).tocsr())
    else:
        matrix.data = np.ones_like(matrix.data)
        parts = _similar(matrix.astype(np.float32), counts, n_users, similarity)
    return _table(parts, items, preferences.shape[1], name)


def _cosines(matrix: csr_matrix) -> Iterator[Part]:
    """(row, column, value) of the strongest products of columns of unit length, in one pass."""
    from implicit.nearest_neighbours import all_pairs_knn

    # One more than wanted: the nearest of each is itself.
    found = all_pairs_knn(matrix, N_NEIGHBOURS + 1, num_threads=1, show_progress=False).tocoo()
    others = (found.row != found.col) & (found.data > 0)
    yield found.row[others].astype(np.int64), found.col[others].astype(np.int64), found.data[others]


def _similar(matrix: csr_matrix, counts: Float64, n_users: int, similarity: Similarity) -> Iterator[Part]:
    """(row, column, value) of the strongest entries; matrix: float32, counts of users who took both are whole in it."""
    by_item, n_each = matrix.T.tocsr(), counts.astype(np.float32)

    def block(start: int) -> Part:
        both = (by_item[start : start + BLOCK] @ matrix).toarray()
        rows = np.arange(start, start + len(both))
        n_i, n_j = n_each[rows][:, None], n_each[None, :]
        if similarity is Similarity.JACCARD:
            either = n_i + n_j
            either -= both
            both /= either
        else:
            never = both == 0
            both -= n_i * (n_j / n_users)
            both /= np.maximum(np.sqrt(n_i * (1 - n_i / n_users)) * np.sqrt(n_j * (1 - n_j / n_users)), 1e-9)
            both[never] = 0.0
        both[np.arange(len(both)), rows] = 0.0
        return _strongest(both, rows)

    yield from at_once([partial(block, start) for start in range(0, by_item.shape[0], BLOCK)])


def _strongest(values: Float32, rows: Int64) -> Part:
    most = min(N_NEIGHBOURS, values.shape[1])
    np.negative(values, out=values)
    columns = np.argpartition(values, most - 1, axis=1)[:, :most]
    kept = -np.take_along_axis(values, columns, axis=1)
    row, place = np.nonzero(kept > 0)
    return rows[row], columns[row, place], kept[row, place]


def _table(
    parts: Iterator[Part],
    items: Int64,
    n_items: int,
    name: str,
    *,
    recent: bool = False,
) -> ItemNeighbours | None:
    blocks = list(parts)
    if not sum(len(block[0]) for block in blocks):
        return None
    rows, columns, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return ItemNeighbours(SparseTable.of(items[rows], items[columns], values, (n_items, n_items)), name, recent)


def followers(interactions: Interactions, n_items: int, *, name: str = "next") -> ItemNeighbours | None:
    """What users take within ``LAGS`` events after each item: Σ 1/lag over users, / √(how often the follower occurs).

    A first-order Markov chain with skips (as in Rendle et al., WWW 2010, without the factors). Memory: 24 bytes x LAGS
    an event.
    """
    since = interactions.times.max(initial=0) - SEQUENCE_WEEKS * WEEK_S  # what followed what long ago is another shop
    # The table is newest first within a user: reversed, oldest first.
    liked = np.flatnonzero((interactions.weights > 0) & (interactions.times >= since))[::-1]
    users, items = interactions.users[liked], interactions.items[liked].astype(np.int64)
    keys, values = [], []
    for lag in range(1, min(LAGS, len(items) - 1) + 1):
        same = (users[lag:] == users[:-lag]) & (items[lag:] != items[:-lag])
        keys.append((items[:-lag] * n_items + items[lag:])[same])
        values.append(np.full(len(keys[-1]), 1.0 / lag))
    if not keys or not sum(len(part) for part in keys):
        return None
    groups = Groups.of(np.concatenate(keys))
    total = groups.sum(np.concatenate(values))
    often = np.bincount(items, minlength=n_items)
    row, column = groups.keys // n_items, groups.keys % n_items
    strength = total / np.sqrt(often[column])
    # Strongest first within each row; the first N_NEIGHBOURS of a row stay.
    order = np.lexsort((column, -strength, row))
    row, column, strength = row[order], column[order], strength[order]
    keep = np.arange(len(row)) - np.searchsorted(row, row) < N_NEIGHBOURS
    table = SparseTable.of(row[keep], column[keep], strength[keep], (n_items, n_items))
    return ItemNeighbours(table, name, recent=True)


def most_pooled(n_users: int) -> int:
    """How many of ``n_users`` who liked anything can be neighbours: the most recently active."""
    return min(n_users, MOST_POOLED_USERS)


@dataclass(frozen=True, slots=True)
class NeighbourSettings:
    """n_neighbours: the users nearest to the asker who count · everything: what they did lately counts whatever it was,
    and not only what is predicted; where views are many and purchases few, looks say more of a taste.
    """

    n_neighbours: int = N_NEAR
    everything: bool = False


def user_neighbours(
    preferences: csr_matrix, interactions: Interactions, at: int, *, settings: NeighbourSettings | None = None
) -> UserNeighbours | None:
    """Who is near whom among the users active lately, and what they took in the last ``RECENT_WEEKS``.

    Where that span holds less than half of the users' last purchases it is doubled until it does: a shop where people
    come twice a year has no 8-week neighbours. Memory: 8 bytes x (preferences + recent purchases).
    """
    settings = settings or NeighbourSettings()
    liked = interactions.weights > 0
    if not settings.everything:
        liked &= interactions.targets
    users, items, times = interactions.users[liked], interactions.items[liked], interactions.times[liked]
    if not len(users):
        return None
    span = RECENT_WEEKS
    n_users = len(np.unique(users))
    while True:
        recent = at - times < span * WEEK_S
        active = np.unique(users[recent])
        if 2 * len(active) >= n_users or recent.all():
            break
        span *= 2
    n_pooled = most_pooled(len(active))
    if len(active) > n_pooled:
        newest = np.full(preferences.shape[0], -1, np.int64)
        np.maximum.at(newest, users, times)
        active = np.sort(active[np.argsort(-newest[active], kind="stable")[:n_pooled]])
    pool = preferences[active]
    counts = np.bincount(pool.indices, minlength=pool.shape[1])
    # Popular items say less about taste, in the asker's length and in the neighbour's alike.
    scaled = (pool @ diags(np.maximum(counts, 1.0) ** -0.25)).tocsr()
    lengths = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel())
    takers = (diags(1.0 / np.maximum(lengths, 1e-12)) @ scaled @ diags(np.maximum(counts, 1.0) ** -0.25)).tocoo()
    place = np.searchsorted(active, users)
    place[place == len(active)] = 0
    mine = recent & (active[place] == users)
    pairs = Groups.of(place[mine].astype(np.int64) * preferences.shape[1] + items[mine])
    n_items = preferences.shape[1]
    return UserNeighbours(
        SparseTable.of(takers.col, takers.row, takers.data, (n_items, len(active))),
        SparseTable.of(pairs.keys // n_items, pairs.keys % n_items, np.ones(len(pairs)), (len(active), n_items)),
        frozen(active, np.int32),
        n_near=settings.n_neighbours,
        everything=settings.everything,
    )


def heaviest(matrix: csr_matrix, most: int) -> csr_matrix:
    """``matrix`` with at most ``most`` entries a row, the largest."""
    lengths = np.diff(matrix.indptr)
    if not len(lengths) or lengths.max() <= most:
        return matrix
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((matrix.indices, -matrix.data, row))
    keep = np.sort(order[np.arange(len(row)) - matrix.indptr[row] < most])
    return csr_matrix((matrix.data[keep], (row[keep], matrix.indices[keep])), shape=matrix.shape)
