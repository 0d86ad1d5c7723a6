from __future__ import annotations

import numpy as np
import pytest

from recsys.histories import Histories
from recsys.interactions import Interactions
from recsys.query import EMPTY_HISTORY


def shuffled() -> Interactions:
    return Interactions.ordered(
        users=[1, 0, 1, 1, 3],
        items=[5, 2, 4, 9, 0],
        times=[100, 50, 200, 200, 10],
        weights=[1, 2, 3, 4, 5],
        targets=[True, False, True, True, False],
    )


def test_rows_are_ordered_by_user_then_newest_then_item() -> None:
    table = shuffled()
    assert table.users.tolist() == [0, 1, 1, 1, 3]
    assert table.items.tolist() == [2, 4, 9, 5, 0]
    assert table.times.tolist() == [50, 200, 200, 100, 10]
    assert table.weights.tolist() == [2, 3, 4, 1, 5]
    assert np.isnan(table.prices).all()


def test_before_is_strict_and_between_is_half_open() -> None:
    table = shuffled()
    assert table.before(100).items.tolist() == [2, 0]
    assert table.before(101).items.tolist() == [2, 5, 0]
    assert table.between(50, 200).items.tolist() == [2, 5]
    assert len(table.before(10)) == 0
    assert table.before(1000) is table


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        Interactions.ordered(users=[0, 1], items=[0], times=[0, 1], weights=[1, 1], targets=[True, True])


def test_every_user_gets_their_own_rows_newest_first_and_others_none() -> None:
    histories = Histories.of_interactions(shuffled(), 5)
    assert len(histories) == 5
    assert histories.of(1).items.tolist() == [4, 9, 5]
    assert [len(histories.of(user)) for user in range(5)] == [1, 3, 0, 1, 0]
    assert histories.of(None) is EMPTY_HISTORY
