"""How much there is, and how it is spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from index.analysis.pairs import NEVER, Pairs
from index.analysis.spread import Quantiles
from index.baskets import Baskets
from index.dataset import Dataset
from index.ease import EaseSettings
from index.factorise import AlsSettings
from recsys.decay import DAY_S
from recsys.interactions import Interactions

# What an item needs to be factorised, and to be in EASE.
PAIRED, SHARED = AlsSettings().least_users, EaseSettings().least_users


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts. n_users, n_items: those with an event · n_known_users, n_known_items: also those the tables alone name.

    n_target_events: of a target type · n_positives: of these, not disliked · n_likers: users with a positive ·
    n_paired_items, n_shared_items: items that at least 2, and at least 3, users like by any event · n_paired_users,
    n_sharers: who likes any of these · first_at, last_at: epoch seconds · n_pairs:
    distinct (user, item), density: their share of n_users x n_items · baskets: target events of one user at one time ·
    basket_size: events in one.
    """

    n_users: int
    n_items: int
    n_known_users: int
    n_known_items: int
    n_events: int
    n_target_events: int
    n_positives: int
    n_likers: int
    n_paired_users: int
    n_paired_items: int
    n_sharers: int
    n_shared_items: int
    events_by_type: Mapping[str, int]
    first_at: int
    last_at: int
    days: float
    n_pairs: int
    n_target_pairs: int
    density: float
    events_per_user: Quantiles
    events_per_item: Quantiles
    n_baskets: int
    baskets_per_user: Quantiles
    basket_size: Quantiles

    @classmethod
    def of(cls, dataset: Dataset, pairs: Pairs, baskets: Baskets) -> Sizes:
        """The sizes of ``dataset``."""
        table = dataset.interactions
        per_user = np.bincount(table.users, minlength=len(dataset.user_ids))
        per_item = np.bincount(table.items, minlength=len(dataset.item_ids))
        per_user, per_item = per_user[per_user > 0], per_item[per_item > 0]
        positive = table.targets & (table.weights > 0)
        liked = np.zeros(len(pairs), bool)
        liked[pairs.of_row[positive]] = True
        n_paired_users, n_paired_items = _sharing(table, pairs, PAIRED)
        n_sharers, n_shared_items = _sharing(table, pairs, SHARED)
        by_type = np.bincount(dataset.kinds, minlength=len(dataset.event_types))
        first_at, last_at = int(table.times.min()), int(table.times.max())
        baskets_of_user = np.bincount(baskets.users)
        return cls(
            n_users=len(per_user),
            n_items=len(per_item),
            n_known_users=len(dataset.user_ids),
            n_known_items=len(dataset.item_ids),
            n_events=len(table),
            n_target_events=int(table.targets.sum()),
            n_positives=int(positive.sum()),
            n_likers=len(np.unique(pairs.users[liked])),
            n_paired_users=n_paired_users,
            n_paired_items=n_paired_items,
            n_sharers=n_sharers,
            n_shared_items=n_shared_items,
            events_by_type=dict(zip(dataset.event_types, by_type.tolist(), strict=True)),
            first_at=first_at,
            last_at=last_at,
            days=(last_at - first_at) / DAY_S,
            n_pairs=len(pairs),
            n_target_pairs=int((pairs.first_target < NEVER).sum()),
            density=len(pairs) / (len(per_user) * len(per_item)),
            events_per_user=Quantiles.of(per_user),
            events_per_item=Quantiles.of(per_item),
            n_baskets=len(baskets),
            baskets_per_user=Quantiles.of(baskets_of_user[baskets_of_user > 0]),
            basket_size=Quantiles.of(baskets.sizes),
        )


def _sharing(table: Interactions, pairs: Pairs, least: int) -> tuple[int, int]:
    """Users and items of the liked pairs whose items at least ``least`` users like: what preferences are made of."""
    liked = np.zeros(len(pairs), bool)
    liked[pairs.of_row[table.weights > 0]] = True
    n_likers = np.bincount(pairs.items[liked], minlength=int(pairs.items.max(initial=0)) + 1)
    liked &= n_likers[pairs.items] >= least
    return len(np.unique(pairs.users[liked])), len(np.unique(pairs.items[liked]))
