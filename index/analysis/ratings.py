"""What users said in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from index.dataset import Dataset

MOST_VALUES = 12


@dataclass(frozen=True, slots=True)
class Ratings:
    """The values of events that have one; n_known of them. shares: of the most frequent values, by value, ascending.

    min_value: below it an event is no positive; NaN: nothing is decided · share_below: of the known, below min_value
    (NaN without one).
    """

    n_known: int
    share_known: float
    least: float
    median: float
    most: float
    mean: float
    n_distinct: int
    shares: Mapping[str, float]
    min_value: float
    share_below: float

    @classmethod
    def of(cls, dataset: Dataset) -> Ratings | None:
        """The ratings of ``dataset``; None when no event has one."""
        if dataset.values is None:
            return None
        known = dataset.values[np.isfinite(dataset.values)].astype(np.float64)
        distinct, counts = np.unique(known, return_counts=True)
        frequent = np.sort(np.lexsort((distinct, -counts))[:MOST_VALUES])
        min_value = dataset.settings.events.min_value
        return cls(
            n_known=len(known),
            share_known=len(known) / len(dataset.values),
            least=float(distinct[0]),
            median=float(np.median(known)),
            most=float(distinct[-1]),
            mean=float(known.mean()),
            n_distinct=len(distinct),
            shares={f"{distinct[place]:g}": int(counts[place]) / len(known) for place in frequent},
            min_value=math.nan if min_value is None else min_value,
            share_below=math.nan if min_value is None else float((known < min_value).mean()),
        )
