from __future__ import annotations

import numpy as np
import pytest

from index.analysis.concentration import Concentration


def test_an_even_spread_has_no_gini_and_one_owner_nearly_one() -> None:
    assert Concentration.of(np.array([4, 0, 4, 4, 4])).gini == 0
    skewed = Concentration.of(np.array([1] * 199 + [10_000]))
    # 2 · 199 pairs differ by 9,999, of 200² with a mean of 10,199 / 200.
    assert skewed.gini == pytest.approx(2 * 199 * 9_999 / 200**2 / (2 * 10_199 / 200))
    # Two of two hundred are the first hundredth.
    assert skewed.share_of_top == pytest.approx(10_001 / 10_199)
    assert skewed.share_of_largest == pytest.approx(10_000 / 10_199)
    assert Concentration.of(np.array([2, 2, 2, 2])).n_for_half == 2
