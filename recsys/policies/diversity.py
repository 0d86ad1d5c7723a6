"""Variety within a list: what resembles an item chosen already must be that much better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float32, Float64, Int32, Int64
from recsys.context import Context
from recsys.policies.screens import by_screen, whole_screens
from recsys.policies.spread import Spread
from recsys.query import Query, Slate


@dataclass(frozen=True, slots=True)
class Diversity:
    """Maximal marginal relevance in log-odds: relevance - ``weight`` · the largest similarity to what is chosen.

    A copy of a chosen item must have e^weight times the odds of an item unlike all chosen ones. Relevance is that of
    ``spread``, so that the two discounts add up instead of the second undoing the first. Carbonell, Goldstein, "The
    Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries", SIGIR 1998.
    """

    weight: float
    spread: Spread

    def select(self, query: Query, slate: Slate, context: Context) -> Int64:
        """All positions, screen by screen. Time: N² · d for the similarities, then N a place."""
        relevance = self.spread.discounted(query, slate, context)
        penalties = similarities(slate.items, context) * np.float32(self.weight)
        return by_screen(greedy(relevance, penalties, whole_screens(query.limit, len(slate))), len(slate))


def greedy(relevance: Float64, penalties: Float32, n: int) -> Int64:
    """The ``n`` <= N positions chosen one by one, each the best by relevance (N,) - its largest penalty (N, N, >= 0)
    beside an earlier choice; ties by position.
    """
    left = relevance.copy()
    worst = np.zeros(len(left), np.float32)
    value = left.copy()
    chosen = np.empty(n, np.int64)
    for place in range(n):
        best = int(value.argmax())
        chosen[place] = best
        left[best] = -np.inf
        np.maximum(worst, penalties[best], out=worst)
        np.subtract(left, worst, out=value)
    return chosen


def similarities(items: Int32, context: Context) -> Float32:
    """(N, N) in [0, 1] for ``items`` (N,): cosine of the texts, negative ones and items without text 0; in a catalogue
    without texts the share of category levels in common, or of all code families where there are no categories.
    """
    if context.texts is not None:
        rows = context.texts.text_of[items]
        vectors = context.texts.vectors[rows]
        vectors[rows < 0] = 0.0
        cosine: Float32 = np.maximum(vectors @ vectors.T, np.float32(0))
        return cosine
    all_codes = context.catalogue.codes
    levels = [name for name in all_codes if name.startswith("category_")]
    families = [all_codes[name][items] for name in levels or all_codes]
    found = np.zeros((len(items), len(items)), np.float32)
    for codes in families:
        found += (codes[:, None] == codes) & (codes >= 0)
    return found / np.float32(max(len(families), 1))
