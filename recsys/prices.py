"""What an item costs when the catalogue does not say: what was paid for it, as of a time."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Float32, frozen
from recsys.interactions import Interactions


def prices_as_of(listed: Float32, interactions: Interactions) -> Float32:
    """``listed`` (n_items,) with each unknown price (NaN) replaced by the median price of the item's interactions.

    Only interactions before the time of the fit may be given: whether an item has a price at all tells whether it was
    ever sold, and a price from a window's future would hand the ranker its labels.
    """
    known = np.isfinite(interactions.prices)
    items, paid = interactions.items[known], interactions.prices[known]
    paid = paid[np.lexsort((paid, items))]
    counts = np.bincount(items, minlength=len(listed))
    starts = np.cumsum(counts) - counts
    sold = np.flatnonzero(counts)
    middle = (paid[starts[sold] + (counts[sold] - 1) // 2] + paid[starts[sold] + counts[sold] // 2]) / 2
    medians = np.full(len(listed), np.nan, np.float32)
    medians[sold] = middle
    return frozen(np.where(np.isnan(listed), medians, listed), np.float32)
