"""Fits what is taken up next in a shop of few products, from what its users had and took at past moments."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Bool, Float64, Int32, frozen
from recsys.decay import DAY_S
from recsys.grouping import Groups
from recsys.interactions import Interactions
from recsys.profiles import Profiles
from recsys.sources.adoption import Adoption

# With more there are other sources, and a model an item is too much.
MOST_ITEMS = 64
HORIZON_S = 28 * DAY_S
MOST_MOMENTS = 12
# Of each moment; 12 x 5,000 x (64 items + 100 bins) float64 take 80 MB.
MOST_USERS = 5_000
# Whose first times are looked up at all; each takes 8 bytes an item.
MOST_ACTIVE = 20_000
# First takers, of an item and in all.
LEAST_TAKERS, LEAST_IN_ALL = 10, 200
STRENGTH = 0.3


def fit_adoption(
    profiles: Profiles, interactions: Interactions, n_items: int, at: int, *, seed: int
) -> Adoption | None:
    """A model of each item that ``LEAST_TAKERS`` took for the first time; None in a larger catalogue or a sleepy one.

    Moments are 28 days apart, the last so long before ``at``; who was active before each and lacked the item either
    took it in the 28 days after or did not. Time: some 0.3 s an item at most.
    """
    if not 2 <= n_items <= MOST_ITEMS:
        return None
    rng = np.random.default_rng(seed)
    active = np.unique(interactions.users)
    active = np.sort(rng.choice(active, MOST_ACTIVE, replace=False)) if len(active) > MOST_ACTIVE else active
    first_time, begun = first_times(interactions, active, n_items)
    bins, n_bins = profiles.bins.bins(profiles.values), profiles.bins.n_bins
    had, took, of_bins = [], [], []
    oldest = int(interactions.times.min(initial=at)) + HORIZON_S
    moments = [at - back * HORIZON_S for back in range(1, MOST_MOMENTS + 1)]
    for moment in (moment for moment in moments if moment >= oldest):
        known = np.flatnonzero(begun < moment)
        known = rng.choice(known, MOST_USERS, replace=False) if len(known) > MOST_USERS else known
        times = first_time[known]
        had.append(times < moment)
        took.append((times >= moment) & (times < moment + HORIZON_S))
        of_bins.append(_one_hot(bins[active[known]], n_bins))
    if not had or sum(int(part.sum()) for part in took) < LEAST_IN_ALL:
        return None
    return _fitted(np.concatenate(had), np.concatenate(took), np.concatenate(of_bins), bins)


def first_times(interactions: Interactions, users: Int32, n_items: int) -> tuple[Float64, Float64]:
    """(m, n_items) epoch seconds of the first target event of each of ``users`` (m,), which ascend, with each item,
    infinite where there is none; and (m,) of the first event of any type.
    """
    place = np.searchsorted(users, interactions.users)
    place[place == len(users)] = 0
    mine = users[place] == interactions.users if len(users) else np.zeros(0, np.bool_)
    begun = np.full(len(users), np.inf)
    np.minimum.at(begun, place[mine], interactions.times[mine])
    mine &= interactions.targets
    pairs = Groups.of(place[mine].astype(np.int64) * n_items + interactions.items[mine])
    found = np.full(len(users) * n_items, np.inf)
    found[pairs.keys] = pairs.last(interactions.times[mine].astype(np.float64))  # newest first within a pair
    return found.reshape(len(users), n_items), begun


def _one_hot(bins: Int32, n_bins: int) -> Bool:
    out = np.zeros((len(bins), n_bins), np.bool_)
    row, column = np.nonzero(bins >= 0)
    out[row, bins[row, column]] = True
    return out


def _fitted(had: Bool, took: Bool, of_bins: Bool, bins: Int32) -> Adoption | None:
    """One model an item of who could take it (R, I), on what they had (R, I) and are (R, B)."""
    from sklearn.linear_model import LogisticRegression

    items = np.flatnonzero((took.sum(axis=0) >= LEAST_TAKERS) & (~took & ~had).any(axis=0))
    if not len(items):
        return None
    inputs = np.concatenate([had, of_bins], axis=1).astype(np.float64)
    models = []
    for item in items:
        could = ~had[:, item]
        model = LogisticRegression(C=STRENGTH, solver="newton-cholesky", max_iter=50)
        models.append(model.fit(inputs[could], took[could, item]))
    weights = np.stack([model.coef_[0] for model in models], axis=1)
    return Adoption(
        frozen(items, np.int32),
        frozen([model.intercept_[0] for model in models], np.float32),
        frozen(weights[: had.shape[1]], np.float32),
        frozen(weights[had.shape[1] :], np.float32),
        frozen(bins, np.int32),
    )
