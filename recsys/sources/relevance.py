"""Items relevant to free text: what says its words, united with what is near in meaning."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32
from recsys.lexical import WordIndex, words_of
from recsys.query import EMPTY_HITS, Hits
from recsys.sources.content import Content, nearest

RELEVANCE = "relevance"
# Hits of each of the two lists. Never deeper for a longer page: it would begin differently.
DEPTH = 200
# Of the last: its logarithm counts.
LEAST_SHARE = 0.001


def relevant(
    words: WordIndex | None, content: Content | None, text: str, vector: Float32 | None, allowed: Bool, k: int = DEPTH
) -> Hits:
    """At most 2 ``k`` items of ``allowed`` (n_items,), most relevant to ``text`` first.

    Scores are sums of two shares from 0 to 1: of the best BM25, and of the way from the last of the ``k`` nearest
    cosines to the best one. Shares keep what ranks forget: a word that everything has says little, and texts alike fit
    alike (Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023). So what is named is
    found first, and a need that no product's words say is left to the vectors.

    Nothing for a text without a word. vector (d,) float32: ``text`` by the encoder that made the vectors of
    ``content``; None: words alone answer.
    ValueError when its width is another or it is not finite.
    """
    if not words_of(text):
        return EMPTY_HITS  # punctuation has a vector too, which is near to anything
    lists = []
    if words is not None:
        lists.append(_shares(words.search(text, k, allowed), 0.0))
    if content is not None and vector is not None:
        width = content.index.width
        if vector.shape != (width,) or not np.isfinite(vector).all():
            raise ValueError(f"vector must be {width} finite numbers, got shape {vector.shape}")
        near = nearest(content.texts, content.index, allowed, vector, k)
        lists.append(_shares(near, float(near.scores[-1]) if len(near) else 0.0))
    if not any(map(len, lists)):
        return EMPTY_HITS
    items, row = np.unique(np.concatenate([hits.items for hits in lists]), return_inverse=True)
    scores = np.bincount(row, weights=np.concatenate([hits.scores for hits in lists]), minlength=len(items))
    return Hits.best_first(items.astype(np.int32), scores.astype(np.float32), len(items))


def _shares(hits: Hits, lowest: float) -> Hits:
    """The same with shares of the way from ``lowest`` to the best score; all the same where there is no way."""
    if not len(hits):
        return hits
    way = float(hits.scores[0]) - lowest
    shares = (hits.scores - lowest) / way if way > 0 else np.ones(len(hits))
    return Hits(hits.items, np.maximum(shares, LEAST_SHARE).astype(np.float32))


def relevance_of(hits: Hits, items: Int32) -> tuple[Float32, Float32]:
    """Scores and ranks from 0 of ``items`` (C,) among ``hits``; NaN for what is none of them."""
    order = np.argsort(hits.items)
    place = np.minimum(np.searchsorted(hits.items[order], items), max(len(hits) - 1, 0))
    scores, ranks = (np.full(len(items), np.nan, np.float32) for _ in range(2))
    if len(hits):
        found = order[place]
        is_hit = hits.items[found] == items
        scores[is_hit], ranks[is_hit] = hits.scores[found[is_hit]], found[is_hit]
    return scores, ranks


def terms(hits: Hits, items: Int32, weight: float) -> Float64:
    """(C,) what relevance adds to the scores of ``items``: ``weight`` times the log of its share of the best's, <= 0.

    What is none of ``hits`` counts as half of the last of them.
    """
    if not len(hits):
        return np.zeros(len(items))
    scores, _ = relevance_of(hits, items)
    share = np.nan_to_num(scores / hits.scores[0], nan=float(hits.scores[-1] / hits.scores[0]) / 2)
    added: Float64 = weight * np.log(share.astype(np.float64))
    return added
