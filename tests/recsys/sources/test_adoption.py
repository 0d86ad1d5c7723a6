from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.query import EMPTY_HISTORY, History, Query
from recsys.sources.adoption import Adoption

Asked = Callable[..., Query]

# Items 1, 3 and 4 of 6 are taken up by enough. One profile column of two bins.
ITEMS = [1, 3, 4]
BIAS = [-3.0, -4.0, -5.0]
OF_ITEMS = np.array([[0, 0, 0], [0, 2, 0], [0.5, 0.5, 0.5], [0, 0, 3], [0, 0, 0], [9, 9, 9]])
OF_BINS = [[0.25, 0.0, 0.0], [0.0, 0.0, 4.0]]
ALL = np.arange(6, dtype=np.int32)


@pytest.fixture
def source() -> Adoption:
    parts = (frozen(values, np.float32) for values in (BIAS, OF_ITEMS, OF_BINS))
    return Adoption(frozen(ITEMS, np.int32), *parts, frozen([[0], [1], [-1]], np.int32))


def with_items(*items: int) -> History:
    n = len(items)
    return History(
        items=frozen(items, np.int32),
        times=frozen([0] * n, np.int64),
        weights=frozen([1.0] * n, np.float32),
        targets=frozen([True] * n, np.bool_),
    )


@pytest.mark.parametrize(
    ("user", "items", "expected"),
    [
        (0, (), [-2.75, -4.0, -5.0]),
        (2, (1,), [-3.0, -2.0, -5.0]),
        (1, (1, 2), [-2.5, -1.5, -0.5]),
        # Twice is as good as once.
        (None, (2, 2), [-2.5, -3.5, -4.5]),
    ],
)
def test_what_somebody_has_and_is_is_added_up(
    source: Adoption, asked: Asked, user: int | None, items: tuple[int, ...], expected: list[float]
) -> None:
    query = asked(with_items(*items), 6, user=user)
    scores = source.score(query, ALL)
    assert scores[ITEMS].tolist() == expected
    assert np.isnan(np.delete(scores, ITEMS)).all()
    order = [ITEMS[place] for place in np.argsort(-np.array(expected))]
    assert source.retrieve(query, 6).items.tolist() == order
    assert source.retrieve(query, 1).items.tolist() == order[:1]


def test_who_is_unknown_is_told_nothing(source: Adoption, asked: Asked) -> None:
    for user in (2, None):
        query = asked(EMPTY_HISTORY, 6, user=user)
        assert not len(source.retrieve(query, 6))
        assert np.isnan(source.score(query, ALL)).all()


def test_only_what_is_allowed_is_returned(source: Adoption, asked: Asked) -> None:
    assert source.retrieve(asked(EMPTY_HISTORY, 6, user=1, allowed=[0, 1, 3]), 6).items.tolist() == [1, 3]
