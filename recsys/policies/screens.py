"""A policy decides which items share a screen; within the screen they stay as the ranker ordered them."""

from __future__ import annotations

import numpy as np

from recsys.arrays import Int64
from recsys.policy_settings import SCREEN

__all__ = ["SCREEN", "by_screen", "whole_screens"]


def by_screen(chosen: Int64, n_items: int) -> Int64:
    """All positions (n_items,): those ``chosen``, ``SCREEN`` by ``SCREEN`` in ascending order, then the others.

    Who looks at a screen of ten items sees all of them, so variety is a matter of the set; the best of the set belongs
    at its top. On the same sets this order loses half the NDCG that the order of choice does. A screen does not depend
    on how many are shown: a page is the beginning of a longer page.
    """
    left = np.ones(n_items, bool)
    left[chosen] = False
    screens = [np.sort(chosen[start : start + SCREEN]) for start in range(0, len(chosen), SCREEN)]
    return np.concatenate([*screens, np.flatnonzero(left)])


def whole_screens(limit: int, n_items: int) -> int:
    """How many places must be chosen so that the first ``limit`` of ``n_items`` are final."""
    return min(-(-limit // SCREEN) * SCREEN, n_items)
