"""New items preferred: what has been there for long was seen by whoever wants it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float64, Int32, Int64
from recsys.context import Context
from recsys.decay import DAY_S, WEEK_S
from recsys.policies.relevance import log_odds
from recsys.policies.screens import by_screen, whole_screens
from recsys.query import Query, Slate

# Ages in weeks are kept with less than this of rounding.
MARGIN_WEEKS = np.float32(1 / 168)


@dataclass(frozen=True, slots=True)
class Freshness:
    """Orders by log-odds + ``weight`` · 2^(-age / ``half_life_days``).

    An item that has just come needs e^weight times lower odds than an old one, after a half-life e^(weight / 2) times.
    trained: the scores are log-odds, see ``log_odds``.
    """

    weight: float
    half_life_days: float
    trained: bool = True

    def select(self, query: Query, slate: Slate, context: Context) -> Int64:
        """All positions, screen by screen."""
        relevance = log_odds(slate.scores, trained=self.trained) + self.bonus(slate.items, context, query.at)
        order = np.argsort(-relevance, kind="stable")
        return by_screen(order[: whole_screens(query.limit, len(slate))], len(slate))

    def bonus(self, items: Int32, context: Context, at: int) -> Float64:
        """(N,) in log-odds for ``items`` (N,) seen from ``at`` (epoch seconds); 0 where no age is known."""
        ages = age_days(items, context, at)
        bonus: Float64 = np.nan_to_num(self.weight * np.exp2(-ages / self.half_life_days), nan=0.0)
        return bonus


def age_days(items: Int32, context: Context, at: int) -> Float64:
    """(N,) days from the creation of ``items`` (N,), or their first event where that is not known, to ``at``; never
    negative, NaN for what has neither.
    """
    created = context.catalogue.created_at[items]
    statistics = context.statistics
    first = statistics.at - statistics.column("age_weeks")[items].astype(np.float64) * WEEK_S
    since = np.where(created != 0, created, first)
    ages: Float64 = np.maximum(at - since, 0.0) / DAY_S
    return ages


def new_items(allowed: Bool, context: Context, at: int, max_age_days: float) -> Int32:
    """Those of ``allowed`` (n_items,), by number, ascending, whose ``age_days`` at ``at`` are at most so many."""
    created, statistics = context.catalogue.created_at, context.statistics
    oldest = at - max_age_days * DAY_S
    # Their ages cost ten times as much: only those are worked out that may be young enough, give or take an hour.
    maybe = created >= int(oldest) - 1
    unknown = created == 0
    if unknown.any():
        maybe |= unknown & (statistics.column("age_weeks") <= (statistics.at - oldest) / WEEK_S + MARGIN_WEEKS)
    maybe &= allowed
    items = np.flatnonzero(maybe).astype(np.int32)
    return items[age_days(items, context, at) <= max_age_days]
