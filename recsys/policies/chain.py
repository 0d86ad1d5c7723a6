"""The policies of a serving config, and their application one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.arrays import Int64, frozen
from recsys.context import Context
from recsys.policies.diversity import Diversity
from recsys.policies.protocol import Policy
from recsys.policies.spread import Spread
from recsys.query import Query, Slate
from recsys.serving import ServingConfig


def policies_of(config: ServingConfig, *, trained: bool) -> tuple[Policy, ...]:
    """What ``config`` asks for, in order; () when the ranker's order stands. trained: scores are a forest's."""
    spread = Spread(config.spread, trained)
    if config.diversity:
        return (Diversity(config.diversity, spread),)
    return (spread,) if config.spread else ()


def select(policies: Sequence[Policy], query: Query, slate: Slate, context: Context) -> Int64:
    """Positions into ``slate`` that are left when every policy has seen what the one before it left."""
    positions: Int64 = np.arange(len(slate))
    for policy in policies:
        left = Slate(frozen(slate.items[positions], np.int32), frozen(slate.scores[positions], np.float32))
        positions = positions[policy.select(query, left, context)]
    return positions
