from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.query import History, Query
from recsys.sources.affinity import AffinityPopular

Asked = Callable[..., Query]
Histories = Callable[..., History]

CODES = [0, 0, 1, 1, -1, 2]
USERS = [3.0, 5.0, 2.0, 1.0, 50.0, 4.0]
ITEMS = np.arange(6, dtype=np.int32)


@pytest.fixture
def source() -> AffinityPopular:
    return AffinityPopular.of(frozen(CODES, np.int32), frozen(USERS, np.float32))


def test_scores_are_the_groups_liking_times_the_items_part_of_it(
    source: AffinityPopular, asked: Asked, history: Histories
) -> None:
    # Group 0: one new event and one that has faded for 40 weeks; group 1: one of weight 3, just now.
    query = asked(history([(0, 0), (1, 40 * 7), (2, 0, 3.0, True), (4, 0)]), 6)
    one, other = math.sqrt(1 + 1 / math.e), math.sqrt(3)
    expected = [one * 3 / 3, one * 5 / 3, other * 2 / 2, other * 1 / 2, 0, 0]  # √(3 + 5 + 1) = 3, √(2 + 1 + 1) = 2
    assert source.score(query, ITEMS) == pytest.approx(expected, rel=1e-6)
    hits = source.retrieve(query, 10)
    assert hits.items.tolist() == [1, 2, 0, 3]
    assert source.retrieve(query, 2).items.tolist() == [1, 2]


def test_items_of_no_group_are_no_group(source: AffinityPopular, asked: Asked, history: Histories) -> None:
    query = asked(history([(4, 0)]), 6)
    assert len(source.retrieve(query, 5)) == 0
    assert source.score(query, ITEMS).tolist() == [0.0] * 6


def test_what_was_not_liked_draws_to_nothing(source: AffinityPopular, asked: Asked, history: Histories) -> None:
    assert len(source.retrieve(asked(history([(0, 0, 0.0, True)]), 6), 5)) == 0


def test_without_any_code_there_is_nothing_to_say(asked: Asked, history: Histories) -> None:
    source = AffinityPopular.of(frozen([-1, -1], np.int32), frozen([1, 2], np.float32))
    assert source.score(asked(history([(0, 0)]), 2), ITEMS[:2]).tolist() == [0.0, 0.0]
