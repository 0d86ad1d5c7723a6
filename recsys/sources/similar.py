"""Neighbours of the items in the context (the product page, the cart) rather than of the user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.query import EMPTY_HITS, Hits, Query
from recsys.sources.content import nearest
from recsys.sources.factors import Factors
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class SimilarContent:
    """Items whose text is near to the context items' texts."""

    texts: TextVectors
    index: VectorIndex
    name: str = "similar-content"

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items nearest to the mean of the context items' texts."""
        texts = self.texts.text_of[query.context_items]
        texts = texts[texts >= 0].astype(np.int64)
        vector = self.texts.mean(texts, np.ones(len(texts)))
        return nearest(self.texts, self.index, query.allowed, vector, k)


@dataclass(frozen=True, slots=True)
class SimilarFactors:
    """Items the same people take: what a user who had only the context items would be given by the factorisation."""

    source: Factors
    name: str = "similar-als"

    def retrieve(self, query: Query, k: int) -> Hits:
        """The ``k`` allowed items for a history of just the context items; none if they have no factors."""
        items = query.context_items[np.any(self.source.model.factors[query.context_items] != 0, axis=1)]
        if not len(items):
            return EMPTY_HITS
        vector = self.source.model.fold_in(items, np.ones(len(items), np.float32))
        rows, scores = self.source.index.search(vector, k, query.allowed[self.source.items])
        return Hits.best_first(self.source.items[rows], scores, k)
