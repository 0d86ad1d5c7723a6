"""How much variety and coverage the lists can have for next to no accuracy, found on the newest judged window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from index.heads import rows_of, top_rows
from index.labelled import Labelled
from index.selection import OWN_HISTORY, Chosen
from recsys.arrays import Float32, Float64, Int32, Int64, frozen
from recsys.context import Context
from recsys.evaluation.metrics import K, per_user
from recsys.policies.chain import policies_of, select
from recsys.policies.pool import POOL
from recsys.query import EMPTY_HISTORY, Query, Slate
from recsys.serving import ServingConfig

# The largest share of NDCG@10 a list may lose on the judged window, and how many standard errors are added to what it
# lost there.
# Repeats are what customers come for, and what is lost there is lost twice on the next window: on Complete Journey
# 0.3 % became 0.8 %, 0.2 % became 0.4 %. With 0.1 % lists of repeats held fewer distinct hits than the user's own
# history as a list. Discoveries should differ; but of 2,000 users an error is 1.2 % of what they find, so the most that
# loses 2 % at a glance loses more: on an older window of Complete Journey 4.7 % (2.0 to 7.3).
MOST_LOSS = {"all": 0.002, "novel": 0.02}
ERRORS = {"all": 0.0, "novel": 2.0}
# Lists of repeats that find fewer different things than the user's own history as a list are not worth their name: for
# convincingly more of them `home` may lose this much.
MOST_FOR_MORE_THAN_HISTORY = 0.005
SPREADS = (0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3)
# Within a list of habits variety is no aim in itself.
DIVERSITIES: Mapping[str, tuple[float, ...]] = {"all": (), "novel": (0.3, 0.6)}
# With fewer users the loss cannot be told from noise, and the ranker's order stands.
LEAST_USERS = 200


@dataclass(frozen=True, slots=True)
class Tried:
    """One pair of weights, the NDCG@10 and the distinct items that were hits."""

    diversity: float
    spread: float
    ndcg: float
    n_hit_items: int


@dataclass(frozen=True, slots=True)
class PolicyWeights:
    """What was chosen of what was tried; the ranker's own order is tried first."""

    diversity: float
    spread: float
    tried: tuple[Tried, ...]

    def on(self, config: ServingConfig) -> ServingConfig:
        """``config`` with these weights."""
        return replace(config, diversity=self.diversity, spread=self.spread)


def choose_weights(chosen: Chosen, newest: Labelled, context: Context) -> PolicyWeights | None:
    """The spread whose lists hold the most distinct hits, then as much diversity as costs no more either.

    Both keep within MOST_LOSS of the ranker's own NDCG@10, for ``discover`` as far as that can be told. Where ``home``
    then holds no more distinct hits than the user's own history does, by two errors of their count, it takes the least
    spread that does, for at most MOST_FOR_MORE_THAN_HISTORY. None where there are too few users.
    """
    head = chosen.head
    truth = newest.truths[head.task]
    fusion = chosen.contender.fusion
    if chosen.ranker is None or len(truth) < LEAST_USERS or not fusion.in_log_odds:
        return None
    rows = rows_of(head, newest.frame)
    scores = chosen.ranker.score(rows.features)
    best_rows = top_rows(rows.query, rows.items, scores, len(newest.asked), POOL)
    pools = best_rows[np.searchsorted(newest.asked.users, truth.users)]
    config = ServingConfig(head.name, (), head.name)

    ndcg: dict[Tried, Float64] = {}

    def tried(diversity: float, spread: float) -> Tried:
        weighted = replace(config, diversity=diversity, spread=spread)
        lists = reordered(pools, rows.items, scores.astype(np.float32), weighted, context)
        of_users = per_user(lists, truth, len(context.catalogue))["ndcg@10"]
        n_hit_items = len(np.unique(lists[truth.hits(lists, len(context.catalogue))]))
        found = Tried(diversity, spread, float(of_users.mean()), n_hit_items)
        ndcg[found] = of_users
        return found

    plain = tried(0.0, 0.0)

    def bearable(one: Tried) -> bool:
        loss = ndcg[plain] - ndcg[one]
        error = float(loss.std(ddof=1)) / len(loss) ** 0.5
        return bool(loss.mean() + ERRORS[head.task] * error <= MOST_LOSS[head.task] * plain.ndcg)

    spreads = [tried(0.0, spread) for spread in SPREADS]
    best = max((one for one in (plain, *spreads) if bearable(one)), key=lambda one: one.n_hit_items)
    needed = _more_than(_hits_of_history(newest, head.task, len(context.catalogue)))
    if best.n_hit_items < needed:
        least = plain.ndcg * (1.0 - MOST_FOR_MORE_THAN_HISTORY)
        enough_hits = (one for one in spreads if one.n_hit_items >= needed and one.ndcg >= least)
        best = min(enough_hits, key=lambda one: one.spread, default=best)
    varied = [tried(diversity, best.spread) for diversity in DIVERSITIES[head.task]]
    # A count of n is uncertain by its root: within that, variety is free.
    enough = best.n_hit_items - best.n_hit_items**0.5
    free = [one for one in varied if bearable(one) and one.n_hit_items >= enough]
    best = max(free, key=lambda one: one.diversity, default=best)
    return PolicyWeights(best.diversity, best.spread, (plain, *spreads, *varied))


def _more_than(n_hit_items: int) -> float:
    """A count of distinct hits that is convincingly above ``n_hit_items``, of which the error is its root."""
    return n_hit_items + 2.0 * math.sqrt(n_hit_items)


def _hits_of_history(newest: Labelled, task: str, n_items: int) -> int:
    """Distinct items that were hits in the first K places of the users' own histories; 0 where nothing can repeat."""
    lists = newest.plain.get(task, {}).get(OWN_HISTORY)
    if task != "all" or lists is None:
        return 0
    first = lists[:, :K]
    return len(np.unique(first[newest.truths[task].hits(first, n_items)]))


def reordered(pools: Int64, items: Int32, scores: Float32, config: ServingConfig, context: Context) -> Int32:
    """(Q, 10) lists as the policies of ``config`` leave ``pools`` (Q, POOL; -1 = empty) of rows of ``items`` (R,) and
    ``scores`` (R,).
    """
    nothing = frozen([], np.int32)
    query = Query("", None, EMPTY_HISTORY, frozen([], np.bool_), nothing, K, 0, config)
    policies = policies_of(config, trained=True)
    lists = np.full((len(pools), K), -1, np.int32)
    for row, pool in enumerate(pools):
        mine = pool[pool >= 0]
        slate = Slate(items[mine], scores[mine])
        found = slate.items[select(policies, query, slate, context)[:K]]
        lists[row, : len(found)] = found
    return lists
