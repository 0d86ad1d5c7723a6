"""The parts of a truth that are reported by themselves: worked out from the past alone, the same for every list."""

from __future__ import annotations

import numpy as np

from index.dataset import Dataset
from recsys.arrays import Bool, Int64, frozen
from recsys.decay import DAY_S
from recsys.evaluation.slices import Slice
from recsys.evaluation.truth import Truth
from recsys.platforms import UNKNOWN
from recsys.profiles import Profiles

NEW_DAYS = 28
NEWCOMERS = "new_users"
ABOUT_NEWCOMERS = "users whose profile is all that is known before the split"


def slices_of(dataset: Dataset, profiles: Profiles, truth: Truth, *, at: int, n_items: int) -> tuple[Slice, ...]:
    """All slices as of ``at``. ``truth``: of the task ``all``, whose users are divided into thirds by activity."""
    past = dataset.interactions
    n_events = np.bincount(past.users, minlength=len(dataset.user_ids))
    profiled = frozen(~np.isnan(profiles.values).all(axis=1), np.bool_)
    first_sold = np.full(n_items, np.iinfo(np.int64).max)
    np.minimum.at(first_sold, past.items[past.targets], past.times[past.targets])
    seen = np.bincount(past.items, minlength=n_items) > 0
    with_text = np.zeros(n_items, bool)
    with_text[: len(dataset.item_ids)] = [text != "" for text in dataset.items.texts]
    new = (first_sold >= at - NEW_DAYS * DAY_S) & (first_sold < at)
    return (
        *_by_activity(n_events, truth),
        Slice("with_profile", "users of whom at least one profile column is known", users=profiled),
        Slice("without_profile", "users of whom no profile column is known", users=frozen(~profiled, np.bool_)),
        Slice(
            "new_items",
            f"items first taken in the {NEW_DAYS} days before the split; nothing else counts as right",
            items=frozen(new, np.bool_),
        ),
        Slice(
            "text_only_items",
            "items with text and without any event before the split; nothing else counts as right",
            items=frozen(with_text & ~seen, np.bool_),
        ),
        *_by_platform(dataset),
    )


def _by_platform(dataset: Dataset) -> tuple[Slice, ...]:
    """Users by the platform of their last event that names one; none where all are on one."""
    past, last = dataset.interactions, np.full(len(dataset.user_ids), UNKNOWN, np.int8)
    told = np.flatnonzero(past.platforms != UNKNOWN)[::-1]
    last[past.users[told]] = past.platforms[told]  # newest first within a user: the last to be written is the newest
    return tuple(
        Slice(f"on_{name}", f"users who were on {name} last before the split", users=frozen(last == number, np.bool_))
        for number, name in enumerate(dataset.platforms)
        if len(dataset.platforms) > 1
    )


def _by_activity(n_events: Int64, truth: Truth) -> tuple[Slice, ...]:
    """Thirds of the users of ``truth`` by how many events each has; users with equally many stay together."""
    mine = n_events[truth.users]
    low, high = (int(bound) for bound in np.quantile(mine, [1 / 3, 2 / 3], method="inverted_cdf"))

    def third(name: str, about: str, users: Bool) -> Slice:
        return Slice(f"{name}_events", f"users with {about} events before the split", users=frozen(users, np.bool_))

    return (
        third("few", f"at most {low:,}", n_events <= low),
        third("some", f"{low + 1:,} to {high:,}", (n_events > low) & (n_events <= high)),
        third("many", f"more than {high:,}", n_events > high),
    )
