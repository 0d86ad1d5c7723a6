"""Popularity by profile: how much more likely each item is for each value of each profile column."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys.arrays import frozen
from recsys.decay import WEEK_S
from recsys.grouping import Groups
from recsys.interactions import Interactions
from recsys.profiles import Profiles
from recsys.sources.segment import SegmentPopular

MOST_ITEMS = 5_000
RECENT_WEEKS = 26.0
PRIOR_USERS = 50.0


def makes_segments(n_profiled: int) -> bool:
    """Whether popularity by profile is fitted, by how many have a known value: shrinking takes care of small groups."""
    return n_profiled > 0


def fit_segments(profiles: Profiles, interactions: Interactions, n_items: int, at: int) -> SegmentPopular | None:
    """Counts of distinct users of the last half year, ratios shrunk by ``PRIOR_USERS``; None without profiles.

    Memory: 4 bytes x MOST_ITEMS x bins, and 4 bytes a profile value.
    """
    if not profiles.names:
        return None
    n_users = len(profiles.values)
    bins, n_bins = profiles.bins.bins(profiles.values), profiles.bins.n_bins
    recent = interactions.targets & (interactions.weights > 0) & (at - interactions.times < RECENT_WEEKS * WEEK_S)
    pairs = Groups.of(interactions.users[recent].astype(np.int64) * n_items + interactions.items[recent]).keys
    users, items = pairs // n_items, pairs % n_items
    if not makes_segments(int((bins[np.unique(users)] >= 0).any(axis=1).sum())):
        return None
    counts = np.bincount(items, minlength=n_items)
    chosen = np.argsort(-counts, kind="stable")[:MOST_ITEMS]
    chosen = np.sort(chosen[counts[chosen] > 0])
    place = np.full(n_items, -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    kept = place[items] >= 0
    taken = csr_matrix(
        (np.ones(int(kept.sum()), np.float32), (users[kept], place[items[kept]])), shape=(n_users, len(chosen))
    )
    active = np.zeros(n_users, bool)
    active[users] = True
    row, column = np.nonzero((bins >= 0) & active[:, None])
    member = csr_matrix((np.ones(len(row), np.float32), (row, bins[row, column])), shape=(n_users, n_bins))
    together = (member.T @ taken).toarray().astype(np.float64)
    size = np.asarray(member.sum(axis=0)).ravel()[:, None]
    share = (counts[chosen] + 1.0) / (active.sum() + 2.0)
    lift = np.log((together + PRIOR_USERS * share) / (size + PRIOR_USERS)) - np.log(share)
    return SegmentPopular(
        frozen(chosen, np.int32), frozen(np.log(share), np.float32), frozen(lift, np.float32), frozen(bins, np.int32)
    )
