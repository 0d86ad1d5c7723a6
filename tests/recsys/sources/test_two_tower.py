from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.query import EMPTY_HISTORY, History, Query
from recsys.sources.two_tower import TwoTowerSource

# Items 1, 2 and 4 of 6 are known, along two axes and with a log chance; item 4 has no id and is placed by its text.
KNOWN = [1, 2, 4]
VECTORS = [[1.0, 0.0, -2.0], [0.0, 1.0, -1.0], [0.8, 0.6, -3.0]]
IDS = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
ALL = np.arange(6, dtype=np.int32)


@pytest.fixture
def source(towers: Callable[..., TwoTowerSource]) -> TwoTowerSource:
    return towers(VECTORS, IDS, items=KNOWN, hidden=0)


def test_a_score_is_the_closeness_and_half_the_chance(
    source: TwoTowerSource, history: Callable[..., History], asked: Callable[..., Query]
) -> None:
    query = asked(history([(1, 2.0)]), 6)
    # Both fades: from the centre (.1, .1) towards (1, 0).
    x, y = np.array([0.9, -0.1]) / np.hypot(0.9, 0.1) * 2
    expected = [x - 1.0, y - 0.5, 0.8 * x + 0.6 * y - 1.5]
    scores = source.score(query, ALL)
    assert scores[KNOWN].tolist() == pytest.approx(expected, rel=1e-5)
    assert np.isnan(np.delete(scores, KNOWN)).all()
    hits = source.retrieve(query, 6)
    assert hits.items.tolist() == [KNOWN[place] for place in np.argsort(-np.array(expected))]
    assert hits.scores.tolist() == pytest.approx(sorted(expected, reverse=True), rel=1e-5)


def test_an_item_nobody_took_is_found_by_what_it_is_like(
    source: TwoTowerSource, history: Callable[..., History], asked: Callable[..., Query]
) -> None:
    assert source.retrieve(asked(history([(1, 2.0)]), 6, allowed=[2, 3, 4, 5]), 1).items.tolist() == [4]


def test_who_is_not_known_at_all_gets_nothing(source: TwoTowerSource, asked: Callable[..., Query]) -> None:
    query = asked(EMPTY_HISTORY, 6)
    assert len(source.retrieve(query, 6)) == 0
    assert np.isnan(source.score(query, ALL)).all()
