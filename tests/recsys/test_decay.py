from __future__ import annotations

import math

import numpy as np
import pytest

from recsys.decay import WEEK_S, age_weeks, exponential, two_scale


def test_two_scales_add_up_as_written() -> None:
    weights = two_scale(np.array([0.0, 3.0, 20.0]))
    assert weights == pytest.approx(
        [1.3, 0.3 * math.exp(-1) + math.exp(-0.15), 0.3 * math.exp(-20 / 3) + math.exp(-1)], rel=1e-12
    )


def test_age_is_in_weeks_and_never_negative() -> None:
    at = 10 * WEEK_S
    assert age_weeks(np.array([at, at - WEEK_S, at - WEEK_S // 2, at + WEEK_S]), at).tolist() == [0.0, 1.0, 0.5, 0.0]


def test_after_one_scale_a_share_of_one_over_e_is_left() -> None:
    assert exponential(np.array([0.0, 8.0]), 8.0) == pytest.approx([1.0, math.exp(-1)])
