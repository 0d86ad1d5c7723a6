"""Item vectors of what lies in one basket: the skip-gram model with negative sampling, solved as a factorisation.

Barkan & Koenigstein, "Item2Vec: Neural Item Embedding for Collaborative Filtering", MLSP 2016, train skip-gram with a
window as wide as the basket. Levy & Goldberg, "Neural Word Embedding as Implicit Matrix Factorization", NIPS 2014: with
s negatives that training factorises log P(j|i) / P(j) - log s. Its positive part is sparse and is factorised here by
singular vectors: no epochs, no learning rate, the same bits each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from index.baskets import starts_anew
from recsys.arrays import Float32, Int32, Int64, frozen
from recsys.interactions import Interactions
from recsys.sources.item2vec import Item2Vec
from recsys.vector_index import VectorIndex

N_SAMPLE = 128
# Singular values and vectors shorter than this share of the largest are rounding.
LEAST_SHARE = 1e-5


@dataclass(frozen=True, slots=True)
class Item2VecSettings:
    """Chosen on Complete Journey validation windows.

    dimension: length of a vector · gap_s: a longer pause, in seconds, ends a basket · least_baskets: items in fewer are
    left out · negatives: s, whose log is taken from every entry · smoothing: power of an item's frequency, which keeps
    rare items from being the nearest of everything (Levy, Goldberg & Dagan, TACL 2015) · most_in_basket: longer baskets
    are cut: pairs grow with the square · most_pairs: taken from the newest baskets · iterations: of the power method.
    """

    dimension: int = 64
    gap_s: int = 1_800
    least_baskets: int = 5
    negatives: float = 1.0
    smoothing: float = 0.75
    most_in_basket: int = 128
    most_pairs: int = 50_000_000
    iterations: int = 4


def fit_item2vec(interactions: Interactions, n_items: int, *, settings: Item2VecSettings, seed: int) -> Item2Vec | None:
    """Vectors of the items that lie in baskets with others, by all of ``interactions``; None when none do.

    Memory: 24 bytes a distinct pair of items that share a basket, of which there are at most ``most_pairs``, and
    12 bytes x items x dimension.
    """
    from sklearn.utils.extmath import randomized_svd

    baskets = basket_table(interactions, n_items, settings)
    items, baskets = _often(baskets, settings.least_baskets)
    lifts = positive_lifts(baskets, settings)
    told = np.flatnonzero(np.diff(lifts.indptr))
    if len(told) < 2:
        return None
    items, lifts, baskets = items[told], lifts[told][:, told], baskets[:, told]
    width = min(settings.dimension, len(told))
    left, singular, right = randomized_svd(lifts, width, n_iter=settings.iterations, random_state=seed)
    root = np.sqrt(singular[singular > LEAST_SHARE * singular[0]])
    if not len(root):
        return None
    taken = _unit(left[:, : len(root)] * root)
    beside = frozen(np.ascontiguousarray(right[: len(root)].T * root), np.float32)
    index = VectorIndex.build(beside, sample=_askers(baskets, taken, seed), seed=seed)
    return Item2Vec(taken, beside, frozen(items, np.int32), index)


def _unit(vectors: Float32) -> Float32:
    """Rows of ``vectors`` at length 1; those that are no more than rounding at 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return frozen(vectors / np.where(lengths > LEAST_SHARE * lengths.max(), lengths, np.inf), np.float32)


def basket_table(interactions: Interactions, n_items: int, settings: Item2VecSettings) -> csr_matrix:
    """(B, n_items) float32, 1 where the basket holds the item, of the newest baskets that make ``most_pairs``.

    A basket is what one user liked without a pause of more than ``gap_s``, at most ``most_in_basket`` events of it.
    """
    liked = interactions.weights > 0
    users, items, times = interactions.users[liked], interactions.items[liked], interactions.times[liked]
    whole = np.flatnonzero(starts_anew(users, times, settings.gap_s))
    place = np.arange(len(users)) - np.repeat(whole, np.diff(whole, append=len(users)))
    anew = place % settings.most_in_basket == 0
    starts = np.flatnonzero(anew)
    sizes = np.diff(starts, append=len(users))
    newest = np.argsort(-times[starts], kind="stable")
    kept = np.zeros(len(starts), bool)
    kept[newest] = np.cumsum(sizes[newest] ** 2) <= settings.most_pairs
    within = np.repeat(kept, sizes)
    row: Int64 = (np.cumsum(anew) - 1)[within]
    table = csr_matrix((np.ones(len(row), np.float32), (row, items[within])), shape=(len(starts), n_items))
    table.data[:] = 1.0  # an item taken twice in a basket is there once
    return table


def _often(baskets: csr_matrix, least: int) -> tuple[Int64, csr_matrix]:
    """Items (n,) in at least so many ``baskets``, and the columns of these."""
    items = np.flatnonzero(np.bincount(baskets.indices, minlength=baskets.shape[1]) >= least)
    return items, baskets[:, items].tocsr()


def positive_lifts(baskets: csr_matrix, settings: Item2VecSettings) -> csr_matrix:
    """(n, n) float32 max(0, log P(j|i) / P(j) - log s) of items in ``baskets`` (B, n), 0 for an item with itself.

    P(j|i): share of j among what lies with i · P(j) ∝ (pairs with j)^smoothing.
    """
    lifts = (baskets.T @ baskets).tocsr()
    lifts.setdiag(0.0)
    lifts.eliminate_zeros()
    pairs = np.asarray(lifts.sum(axis=1), np.float64).ravel()
    chance = pairs**settings.smoothing
    chance *= settings.negatives / max(chance.sum(), 1e-12)
    lifts.data /= np.repeat(pairs.astype(np.float32), np.diff(lifts.indptr))
    lifts.data /= chance.astype(np.float32)[lifts.indices]
    np.log(lifts.data, out=lifts.data)
    np.maximum(lifts.data, 0.0, out=lifts.data)
    lifts.eliminate_zeros()
    return lifts


def _askers(baskets: csr_matrix, taken: Float32, seed: int) -> Float32:
    """(q, d) means of baskets that hold anything, as users' vectors are: what the index tries its recall on."""
    filled = np.flatnonzero(np.diff(baskets.indptr))
    some: Int32 = np.random.default_rng(seed).choice(filled, min(N_SAMPLE, len(filled)), replace=False)
    return np.ascontiguousarray(baskets[some] @ taken, np.float32)
