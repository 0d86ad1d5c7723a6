from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.query import EMPTY_HISTORY, Query
from recsys.sources.segment import SegmentPopular

Asked = Callable[..., Query]

# Items 1, 3 and 4 of 6 are told apart. Two profile columns of two bins each.
ITEMS = [1, 3, 4]
PRIOR = [-1.0, -2.0, -3.0]
LIFT = [[0.5, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 3.0], [0.25, 0.25, 0.25]]
BINS = [[0, 2], [1, 3], [-1, 2], [-1, -1]]
ALL = np.arange(6, dtype=np.int32)


@pytest.fixture
def source() -> SegmentPopular:
    return SegmentPopular(
        frozen(ITEMS, np.int32), frozen(PRIOR, np.float32), frozen(LIFT, np.float32), frozen(BINS, np.int32)
    )


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (0, [-0.5, -2.0, 0.0]),
        (1, [-0.75, -0.25, -2.75]),
        (2, [-1.0, -2.0, 0.0]),
        # Nothing is known of the profile: as everybody.
        (3, PRIOR),
        (None, PRIOR),
    ],
)
def test_log_odds_of_all_known_columns_are_added(
    source: SegmentPopular, asked: Asked, user: int | None, expected: list[float]
) -> None:
    query = asked(EMPTY_HISTORY, 6, user=user)
    scores = source.score(query, ALL)
    assert scores[ITEMS].tolist() == expected
    assert np.isnan(np.delete(scores, ITEMS)).all()
    hits = source.retrieve(query, 6)
    known = user is not None and user < 3
    order = [ITEMS[place] for place in np.argsort(-np.array(expected))]
    assert hits.items.tolist() == (order if known else [])


def test_only_what_is_allowed_is_returned(source: SegmentPopular, asked: Asked) -> None:
    query = asked(EMPTY_HISTORY, 6, user=0, allowed=[0, 1, 3])
    assert source.retrieve(query, 6).items.tolist() == [1, 3]
    assert source.retrieve(query, 1).items.tolist() == [1]
