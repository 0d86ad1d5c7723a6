"""What the contract of sources is tested on: which there are, and who asks for what."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys.arrays import Bool, frozen
from recsys.model import Snapshot
from recsys.overlay.overlay import Basis
from recsys.query import Query
from recsys.stores.records import LiveItem, text_digest

POPULARITY = ("popular", "first", "trending")
FROM_HISTORY = ("history", "als", "content", "ease", "item-knn", "user-knn", "next", "item2vec", "affinity")
FROM_PROFILE = ("segment",)
SCORERS = (
    "als",
    "content",
    "ease",
    "item-knn",
    "user-knn",
    "next",
    "item2vec",
    "affinity",
    "segment",
    "two-tower",
    "adoption",
)
FROM_EITHER = ("two-tower", "adoption")
FROM_CONTEXT = ("similar-als", "similar-content")
NAMES = (*POPULARITY, *FROM_HISTORY, *FROM_PROFILE, *FROM_EITHER, *FROM_CONTEXT)
QueryOf = Callable[..., Query]


def masks(n_items: int) -> list[Bool]:
    rng = np.random.default_rng(2)
    return [
        np.ones(n_items, bool),
        np.arange(n_items) == 6,
        *(rng.random(n_items) < share for share in (0.2, 0.5, 0.8)),
    ]


def changed(board: Snapshot) -> Snapshot:
    """The checkerboard with another text for item 3 and two new items, of which one is embedded."""
    created = {"is_created": True, "created_us": 1}
    changes = [
        LiveItem("i03", {"title": "Other"}, 2),
        LiveItem("i16", {"title": "New", "price": 2.0}, 1, **created),
        LiveItem("i17", {"title": "Newer"}, 1, **created),
    ]
    vectors = {text_digest(text): frozen([1, 0, 0, 0, 0], np.float32) for text in ("Other", "New")}
    return Basis(board).over(changes, vectors).snapshot


def queries_on(board: Snapshot, query_of: QueryOf) -> list[Query]:
    """Users of both colours beside one or two context items, under masks from everything to one item."""
    return [
        query_of(board, user_id, context_item_ids=context, allowed=mask)
        for user_id in ("u00", "u01", "u07", "u10")
        for context in (("i00",), ("i03", "i04"))
        for mask in masks(len(board.catalogue))
    ]
