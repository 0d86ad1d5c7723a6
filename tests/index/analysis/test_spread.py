from __future__ import annotations

import math

import numpy as np

from index.analysis.spread import Quantiles


def test_quantiles_of_nothing_are_unknown() -> None:
    assert math.isnan(Quantiles.of(np.array([], np.int64)).median)
