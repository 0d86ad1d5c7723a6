"""Ranking metrics over lists of item numbers, per user so that intervals can be drawn over users.

NDCG as in Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002, with binary gains
and the ideal list cut at min(k, |truth|).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.evaluation.truth import Truth

K = 10
DEEP = 100


def ndcg(hits: Bool, sizes: Float64, k: int = K) -> Float64:
    """(Q,) NDCG@k of ``hits`` (Q, >= k) where the users' truths have ``sizes`` (Q,) >= 1."""
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(sizes, k).astype(np.int64) - 1]
    value: Float64 = (hits[:, :k] * discount[: hits.shape[1]]).sum(axis=1) / ideal
    return value


def reciprocal_rank(hits: Bool) -> Float64:
    """(Q,) 1 / rank of the first hit, 0 without one."""
    first = hits.argmax(axis=1)
    return np.where(hits.any(axis=1), 1.0 / (first + 1.0), 0.0)


def per_user(lists: Int32, truth: Truth, n_items: int) -> dict[str, Float64]:
    """Accuracy of ``lists`` (Q, 100; -1 = empty place) for each user of ``truth``, by metric name."""
    return accuracy(truth.hits(lists, n_items), truth.sizes)


def accuracy(hits: Bool, sizes: Int64) -> dict[str, Float64]:
    """Metric name -> (Q,), of ``hits`` (Q, 100) where the users' truths have ``sizes`` (Q,) >= 1 items."""
    wanted, top = sizes.astype(np.float64), hits[:, :K]
    return {
        "ndcg@10": ndcg(hits, wanted),
        "recall@10": top.sum(axis=1) / np.minimum(wanted, K),
        "recall@100": hits[:, :DEEP].sum(axis=1) / wanted,
        "hit@10": top.any(axis=1).astype(np.float64),
        "mrr": reciprocal_rank(hits),
    }


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the beyond-accuracy metrics need of the past.

    popularity (n_items,) float32: share of users with the item · known (n_items,) bool: items with an event before the
    split, the denominator of coverage · vectors (T, d), text_of (n_items,): content embeddings, None without text.
    """

    popularity: Float32
    known: Bool
    vectors: Float32 | None
    text_of: Int32 | None


def beyond_accuracy(lists: Int32, truth: Truth, exposure: Exposure) -> dict[str, float]:
    """Coverage, coverage by hits, intra-list diversity, novelty in bits and Gini of exposure of the top 10."""
    n_items = len(exposure.known)
    top = lists[:, :K]
    shown = top[top >= 0]
    n_known = max(int(exposure.known.sum()), 1)
    counts = np.bincount(shown, minlength=n_items)
    right = np.unique(top[truth.hits(top, n_items)])
    # An item nobody ever took has no popularity; half of the rarest item's keeps the logarithm finite.
    least = exposure.popularity.min(where=exposure.popularity > 0, initial=1.0) / 2
    bits = -np.log2(np.maximum(exposure.popularity[shown], least)) if len(shown) else np.zeros(1)
    return {
        "coverage@10": float((counts[exposure.known] > 0).sum() / n_known),
        "hits_coverage@10": float(len(right) / n_known),
        "diversity@10": _diversity(top, exposure),
        "novelty@10": float(bits.mean()),
        "gini@10": _gini(counts[exposure.known]),
    }


def _gini(counts: Int64) -> float:
    if counts.sum() == 0:
        return 0.0
    ordered = np.sort(counts).astype(np.float64)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def _diversity(top: Int32, exposure: Exposure) -> float:
    """1 - mean cosine of the pairs of a list, averaged over lists with at least two items that have text."""
    if exposure.vectors is None or exposure.text_of is None:
        return float("nan")
    values = []
    for row in top:
        texts = exposure.text_of[row[row >= 0]]
        texts = texts[texts >= 0]
        n = len(texts)
        if n >= 2:
            total = exposure.vectors[texts].sum(axis=0)
            values.append(1.0 - (float(total @ total) - n) / (n * (n - 1)))
    return float(np.mean(values)) if values else float("nan")
