"""Parts of a truth: some users, or of every user some items. One list is enough to judge it on all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float64, Int32, Int64
from recsys.evaluation.metrics import accuracy
from recsys.evaluation.truth import Truth


@dataclass(frozen=True, slots=True)
class Slice:
    """The pairs of a truth whose user and item are in it.

    about: what is in it, for people · users (n_users,), items (n_items,) bool; None = all of them. A list is judged
    whole: an item outside ``items`` takes a place and is never right.
    """

    name: str
    about: str
    users: Bool | None = None
    items: Bool | None = None

    def sizes(self, truth: Truth) -> Int64:
        """How many pairs of each user of ``truth`` are in the slice (Q,); 0 = the user is not."""
        sizes = truth.sizes
        if self.items is not None:
            # One longer than the pairs, so that differences at ``starts`` are sums over each user.
            running = np.concatenate([[0], np.cumsum(self.items[truth.items], dtype=np.int64)])
            sizes = np.diff(running[truth.starts])
        return sizes if self.users is None else np.where(self.users[truth.users], sizes, 0)

    def accuracy(self, lists: Int32, hits: Bool, truth: Truth) -> dict[str, Float64]:
        """Metric name -> value of each user with a pair in the slice, in the order of ``np.flatnonzero(sizes)``.

        lists (Q, k), hits (Q, k): of all users of ``truth``, and what ``truth.hits`` says of them.
        """
        sizes = self.sizes(truth)
        rows = np.flatnonzero(sizes)
        right = hits[rows]
        if self.items is not None:
            right &= self.items[lists[rows]]  # an empty place reads the last item, yet is no hit to begin with
        return accuracy(right, sizes[rows])
