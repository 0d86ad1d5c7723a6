"""Items relevant to free text: what says its words, united with what is near in meaning."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.lexical import WordIndex
from recsys.query import EMPTY_HITS, Hits
from recsys.ranker import RANK_CONSTANT
from recsys.sources.content import Content, nearest

RELEVANCE = "relevance"
# Hits of each of the two lists. Never deeper for a longer page: it would begin differently.
DEPTH = 200


def relevant(
    words: WordIndex | None, content: Content | None, text: str, vector: Float32 | None, allowed: Bool, k: int = DEPTH
) -> Hits:
    """At most 2 ``k`` items of ``allowed`` (n_items,), most relevant to ``text`` first.

    Scores are sums of 1 / (60 + rank), rank from 1 and shared by equals: the two lists, ``k`` hits each, are fused as
    in ``RankFusion``, for BM25 and cosine share no scale, ranks do. An item that both begin with stays first, so what
    is named is found first, and a need that no product's words say is left to the vectors.

    vector (d,) float32: ``text`` by the encoder that made the vectors of ``content``; None: words alone answer.
    ValueError when its width is another or it is not finite.
    """
    lists = []
    if words is not None:
        lists.append(words.search(text, k, allowed))
    if content is not None and vector is not None:
        width = content.index.width
        if vector.shape != (width,) or not np.isfinite(vector).all():
            raise ValueError(f"vector must be {width} finite numbers, got shape {vector.shape}")
        lists.append(nearest(content.texts, content.index, allowed, vector, k))
    if not any(map(len, lists)):
        return EMPTY_HITS
    items, row = np.unique(np.concatenate([hits.items for hits in lists]), return_inverse=True)
    fused = np.concatenate([1.0 / (RANK_CONSTANT + 1.0 + _places(hits)) for hits in lists])
    scores = np.bincount(row, weights=fused, minlength=len(items))
    return Hits.best_first(items.astype(np.int32), scores.astype(np.float32), len(items))


def _places(hits: Hits) -> Int64:
    """(k,) places from 0; items of one score share the first one's: variants with the same text fit equally well."""
    return np.searchsorted(-hits.scores, -hits.scores)


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
