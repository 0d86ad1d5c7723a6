"""Popularity discounted: tastes differ, and what everybody is shown anyway leaves no room for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Float64, Int64
from recsys.context import Context
from recsys.policies.freshness import Freshness
from recsys.policies.relevance import log_odds
from recsys.policies.screens import by_screen, whole_screens
from recsys.query import Query, Slate


@dataclass(frozen=True, slots=True)
class Spread:
    """Orders by log-odds - ``weight`` · log(1 + users in the last 12 weeks) + the bonus of ``freshness``.

    An item with e times the users must have e^weight times the odds. More of the catalogue is shown, more of it finds
    its buyer (coverage, coverage by hits), and exposure is more even (Gini), at the price of some accuracy.
    trained: the scores are log-odds, see ``log_odds`` · freshness: added here, so that neither undoes the other.
    """

    weight: float
    trained: bool = True
    freshness: Freshness | None = None

    def select(self, query: Query, slate: Slate, context: Context) -> Int64:
        """All positions, screen by screen."""
        order = np.argsort(-self.discounted(query, slate, context), kind="stable")
        return by_screen(order[: whole_screens(query.limit, len(slate))], len(slate))

    def discounted(self, query: Query, slate: Slate, context: Context) -> Float64:
        """(N,) log-odds after the discount and the bonus."""
        relevance = log_odds(slate.scores, trained=self.trained)
        if self.weight:
            relevance -= self.weight * context.statistics.column("users_12w")[slate.items]
        if self.freshness is not None:
            relevance += self.freshness.bonus(slate.items, context, query.at)
        return relevance
