"""Who and what there is no past of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.analysis.pairs import NEVER, first_of_items, first_of_users
from index.analysis.spread import share
from index.dataset import Dataset
from index.windows import Window


@dataclass(frozen=True, slots=True)
class Cold:
    """Newcomers of the newest window, and what never had an event.

    n_target_events: in the window, 0 without one · share_of_new_users, share_of_new_items: of these events, those by
    users, and on items, without an event before the window; NaN without any · n_items_without_events,
    n_users_without_events: the tables name them, no event does · n_events_outside_catalogue: on items that the items
    table lacks, 0 without such a table.
    """

    n_target_events: int
    share_of_new_users: float
    share_of_new_items: float
    n_items_without_events: int
    n_users_without_events: int
    n_events_outside_catalogue: int

    @classmethod
    def of(cls, dataset: Dataset, newest: Window | None) -> Cold:
        """The cold share of ``dataset`` in its ``newest`` window."""
        table = dataset.interactions
        user_since = first_of_users(table, len(dataset.user_ids))
        item_since = first_of_items(table, len(dataset.item_ids))
        start, end = (newest.start, newest.end) if newest is not None else (0, 0)
        inside = table.targets & (table.times >= start) & (table.times < end)
        return cls(
            n_target_events=int(inside.sum()),
            share_of_new_users=share(user_since[table.users[inside]] >= start),
            share_of_new_items=share(item_since[table.items[inside]] >= start),
            n_items_without_events=int(np.sum(item_since == NEVER)),
            n_users_without_events=int(np.sum(user_since == NEVER)),
            n_events_outside_catalogue=dataset.report.n_unknown_items,
        )
