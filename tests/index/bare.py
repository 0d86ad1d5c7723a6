"""The plainest catalogue and table of interactions there are, for tests of what is fitted on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.catalogue import Catalogue
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.text_column import TextColumn

DAY = 86_400


def bare_catalogue(n_items: int) -> Catalogue:
    """Items i000, i001, … of which no more is known."""
    empty = TextColumn.of([""] * n_items)
    return Catalogue(
        items=IdMap.of(f"i{item:03d}" for item in range(n_items)),
        titles=empty,
        categories=empty,
        brands=empty,
        prices=np.full(n_items, np.nan, np.float32),
        in_stock=np.ones(n_items, bool),
        created_at=np.zeros(n_items, np.int64),
        codes={},
    )


def taken(rows: Sequence[tuple[int, int, float]], now: int) -> Interactions:
    """Purchases of weight 1: (user, item, days before ``now``)."""
    users, items, days = zip(*rows, strict=True)
    return Interactions.ordered(
        users=users,
        items=items,
        times=[now - round(day * DAY) for day in days],
        weights=np.ones(len(rows)),
        targets=np.ones(len(rows), bool),
    )
