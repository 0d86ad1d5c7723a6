from __future__ import annotations

import math

import numpy as np
import pytest

from index.segments import PRIOR_USERS, fit_segments
from recsys.arrays import Float32, frozen
from recsys.interactions import Interactions
from recsys.profiles import Profiles

NOW, DAY = 1_500_000_000, 86_400
N_USERS = 200


def purchases() -> Interactions:
    """The even take item 0, the odd item 1, all of them item 2; nobody takes item 3."""
    users = np.repeat(np.arange(N_USERS), 2)
    items = np.stack([np.arange(N_USERS) % 2, np.full(N_USERS, 2)], axis=1).ravel()
    n = len(users)
    return Interactions.ordered(users=users, items=items, times=[NOW - DAY] * n, weights=[1.0] * n, targets=[True] * n)


def profiles(*columns: Float32) -> Profiles:
    return Profiles(tuple(f"p{i}" for i in range(len(columns))), frozen(np.stack(columns, axis=1), np.float32))


def test_a_value_lifts_what_its_people_take_and_sinks_what_they_do_not() -> None:
    found = fit_segments(profiles(np.arange(N_USERS) % 2), purchases(), 4, NOW)
    assert found is not None
    assert found.items.tolist() == [0, 1, 2]
    assert found.bins[:4, 0].tolist() == [0, 1, 0, 1]
    share = 101 / 202
    lift = math.log((100 + PRIOR_USERS * share) / (100 + PRIOR_USERS)) - math.log(share)
    assert found.lift[0, 0] == pytest.approx(lift)
    assert found.lift[1, 0] == pytest.approx(math.log(PRIOR_USERS / (100 + PRIOR_USERS)))


def test_a_value_everybody_has_says_next_to_nothing() -> None:
    found = fit_segments(profiles(np.ones(N_USERS)), purchases(), 4, NOW)
    assert found is None or np.abs(found.lift).max() < 0.01


def test_numbers_are_cut_into_bands_and_unknown_ones_into_none() -> None:
    ages = np.arange(N_USERS, dtype=np.float32)
    ages[0] = np.nan
    found = fit_segments(profiles(ages), purchases(), 4, NOW)
    assert found is not None
    assert found.bins[0, 0] == -1
    sizes = np.bincount(found.bins[1:, 0])
    assert 2 <= len(sizes) <= 12
    assert sizes.min() > 10


def test_without_a_profile_there_are_no_segments() -> None:
    assert fit_segments(Profiles((), np.empty((N_USERS, 0), np.float32)), purchases(), 4, NOW) is None
    assert fit_segments(profiles(np.full(N_USERS, np.nan)), purchases(), 4, NOW) is None
