"""What changes over time: activity, newcomers and taste, window by window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from index.analysis.pairs import first_of_items, first_of_users
from index.analysis.spread import entropy_bits
from index.dataset import Dataset
from index.windows import length_s
from recsys.arrays import Int32, Int64
from recsys.decay import DAY_S

WINDOW_DAYS = 28
# Four years of them; a stray event from 1970 must not cost a minute.
MOST_WINDOWS = 52
TOP = 100
SEED = 7


@dataclass(frozen=True, slots=True)
class DriftWindow:
    """One window from ``start`` (epoch seconds). n_users, n_items: with an event in it.

    share_new_users, share_new_items: of these, without an event before it; NaN in the window that has no past ·
    js_distance: Jensen-Shannon distance (square root of the divergence in bits, 0 to 1) of item popularity to the
    window before · js_by_chance: the same between two random halves of both windows' events: a distance of
    that size is noise · top_overlap: share of the 100 most popular items that the window before had among
    its own. The three are of positives, NaN where a window has none.
    """

    start: int
    n_events: int
    n_users: int
    n_items: int
    share_new_users: float
    share_new_items: float
    js_distance: float
    js_by_chance: float
    top_overlap: float


@dataclass(frozen=True, slots=True)
class Drift:
    """Adjoining windows that end with the data, oldest first; a part of one at the beginning is left out.

    window_days: 28, or what training windows are when the data are short.
    """

    window_days: float
    windows: tuple[DriftWindow, ...]

    @classmethod
    def of(cls, dataset: Dataset, *, end: int) -> Drift:
        """The drift of ``dataset``, whose events lie before ``end``. Memory: 16 bytes an item, and a window's rows."""
        table = dataset.interactions
        first_at = int(table.times.min())
        length = length_s(end, first_at, horizon_days=WINDOW_DAYS)
        count = min((end - first_at) // length, MOST_WINDOWS)
        first_of_user = first_of_users(table, len(dataset.user_ids))
        first_of_item = first_of_items(table, len(dataset.item_ids))
        positive = table.targets & (table.weights > 0)
        windows: list[DriftWindow] = []
        before: Int32 = np.empty(0, np.int32)
        for start in range(end - count * length, end, length):
            inside = (table.times >= start) & (table.times < start + length)
            # Counting is several times as fast as sorting, and most windows hold most users.
            users, items = (np.flatnonzero(np.bincount(numbers[inside])) for numbers in (table.users, table.items))
            taken = table.items[inside & positive]
            windows.append(
                DriftWindow(
                    start=start,
                    n_events=int(inside.sum()),
                    n_users=len(users),
                    n_items=len(items),
                    share_new_users=_new(first_of_user[users], start, first_at),
                    share_new_items=_new(first_of_item[items], start, first_at),
                    js_distance=js_distance(before, taken),
                    js_by_chance=_by_chance(before, taken),
                    top_overlap=top_overlap(before, taken),
                )
            )
            before = taken
        return cls(length / DAY_S, tuple(windows))


def js_distance(a: Int32, b: Int32) -> float:
    """Jensen-Shannon distance of two samples of items (n,), (m,): 0 equal shares, 1 nothing in common; NaN of none.

    The square root of the divergence to the base 2 (Endres and Schindelin 2003).
    """
    if not len(a) or not len(b):
        return math.nan
    width = int(max(a.max(), b.max())) + 1
    p, q = (np.bincount(sample, minlength=width) / len(sample) for sample in (a, b))
    divergence = entropy_bits((p + q) / 2) - (entropy_bits(p) + entropy_bits(q)) / 2
    return math.sqrt(min(max(divergence, 0.0), 1.0))


def top_overlap(a: Int32, b: Int32) -> float:
    """Share of the most popular items of two samples that both have; of 100, or as many as the poorer sample has."""
    if not len(a) or not len(b):
        return math.nan
    top_a, top_b = _top(a), _top(b)
    return len(np.intersect1d(top_a, top_b)) / min(len(top_a), len(top_b))


def _top(items: Int32) -> Int64:
    counts = np.bincount(items)
    there = np.flatnonzero(counts)
    order: Int64 = np.lexsort((there, -counts[there]))
    return there[order[:TOP]]


def _by_chance(a: Int32, b: Int32) -> float:
    if not len(a) or not len(b):
        return math.nan
    both = np.concatenate([a, b])
    first = np.random.default_rng(SEED).random(len(both)) < 0.5
    return js_distance(both[first], both[~first])


def _new(firsts: Int64, start: int, first_at: int) -> float:
    return float((firsts >= start).mean()) if len(firsts) and first_at < start else math.nan
