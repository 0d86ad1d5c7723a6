"""Items whose text is close to what the user took lately, by sentence embeddings in a vector index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Float32, Int32
from recsys.grouping import products
from recsys.query import EMPTY_HITS, Hits, Query
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex

# Variants of one product share a text; more than a few of them would fill the list with one thing.
MOST_OF_ONE_TEXT = 3


def nearest(texts: TextVectors, index: VectorIndex, allowed: Bool, vector: Float32 | None, k: int) -> Hits:
    """The ``k`` items of ``allowed`` (n_items,) nearest to ``vector``; none when there is no vector."""
    if vector is None or k <= 0:
        return EMPTY_HITS
    rows, scores = index.search(vector, k, texts.allowed_texts(allowed))
    return Hits.best_first(*texts.expand(rows, scores, allowed, MOST_OF_ONE_TEXT), k)


@dataclass(frozen=True, slots=True)
class Content:
    """Cosine to the decayed mean of the user's recent items; index rows are the rows of ``texts``."""

    texts: TextVectors
    index: VectorIndex
    name: str = "content"

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items whose text is nearest to the user's interest."""
        if not len(query.history):
            return EMPTY_HITS
        return nearest(self.texts, self.index, query.allowed, self.vector_of(query), k)

    @property
    def indexed_vectors(self) -> Float32:
        """(T, d)."""
        return self.texts.vectors

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The texts' vectors."""
        return {"vectors": self.texts.vectors}

    def vector_of(self, query: Query) -> Float32 | None:
        """The user's interest."""
        return self.texts.interest_of(query)

    def score(self, query: Query, items: Int32) -> Float32:
        """Cosine of each of ``items`` (C,) to the user's interest; NaN without a text or an interest."""
        interest = self.texts.interest_of(query)
        texts = self.texts.text_of[items]
        if interest is None:
            return np.full(len(items), np.nan, np.float32)
        cosine: Float32 = self.texts.vectors[texts] @ interest
        return np.where(texts >= 0, cosine, np.float32(np.nan))

    def spoken_for(self, items: Int32, own: Int32) -> Float32:
        """(C, m): cosine of the item's text to that of each of ``own``; 0 where one has no text."""
        return products(self._texts_of(items), self._texts_of(own))

    def _texts_of(self, items: Int32) -> Float32:
        texts = self.texts.text_of[items]
        vectors = self.texts.vectors[texts]
        vectors[texts < 0] = 0.0
        return vectors
