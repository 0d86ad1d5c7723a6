"""Items relevant to free text: what says its words, united with what is near in meaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32
from recsys.lexical import WordIndex
from recsys.query import Hits, Query
from recsys.ranker import RANK_CONSTANT
from recsys.sources.content import Content, nearest


@dataclass(frozen=True, slots=True)
class Relevance:
    """The source of one question. Both lists, ``depth`` hits each, are fused by reciprocal rank as in ``RankFusion``.

    BM25 and cosine share no scale, ranks do; an item that both lists begin with stays first, so a product that is named
    is found first, and a need that no product's words say is left to the vectors.

    text: the question · vector (d,) float32: it by the encoder that made the vectors of ``content``, None where there
    is none: words alone then answer. ValueError when its width is another or it is not finite.
    """

    words: WordIndex
    content: Content | None
    text: str
    vector: Float32 | None = None
    depth: int = 200
    name: str = "relevance"

    def __post_init__(self) -> None:
        if self.vector is None or self.content is None:
            return
        width = self.content.index.width
        if self.vector.shape != (width,) or not np.isfinite(self.vector).all():
            raise ValueError(f"vector must be {width} finite numbers, got shape {self.vector.shape}")

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` most relevant items within ``query.allowed``; scores are sums of 1 / (60 + rank), rank from 1.

        Never more than twice ``depth``.
        """
        # Never deeper for a longer page: it would begin differently.
        lists = [self.words.search(self.text, self.depth, query.allowed)]
        if self.content is not None:
            lists.append(nearest(self.content.texts, self.content.index, query, self.vector, self.depth))
        items, row = np.unique(np.concatenate([hits.items for hits in lists]), return_inverse=True)
        terms = np.concatenate([1.0 / (RANK_CONSTANT + 1.0 + np.arange(len(hits))) for hits in lists])
        scores = np.bincount(row, weights=terms, minlength=len(items))
        return Hits.best_first(items.astype(np.int32), scores.astype(np.float32), k)
