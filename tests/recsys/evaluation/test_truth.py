from __future__ import annotations

import numpy as np

from recsys.evaluation.truth import Truth

N_ITEMS = 10


def truth_of(*pairs: tuple[int, int]) -> Truth:
    users, items = (np.array([pair[side] for pair in pairs], np.int32) for side in (0, 1))
    return Truth.of(users, items, N_ITEMS)


def pairs_of(truth: Truth) -> list[tuple[int, int]]:
    return list(zip(np.repeat(truth.users, truth.sizes).tolist(), truth.items.tolist(), strict=True))


def test_pairs_are_distinct_and_user_by_user() -> None:
    truth = truth_of((5, 3), (2, 9), (5, 1), (5, 3))
    assert pairs_of(truth) == [(2, 9), (5, 1), (5, 3)]
    assert truth.users.tolist() == [2, 5]
    assert truth.starts.tolist() == [0, 1, 3]


def test_two_windows_joined_hold_every_pair_once() -> None:
    joined = truth_of((1, 4), (3, 2), (3, 9)).joined(truth_of((0, 5), (3, 9), (3, 1)), N_ITEMS)
    assert pairs_of(joined) == [(0, 5), (1, 4), (3, 1), (3, 2), (3, 9)]
    assert joined.users.tolist() == [0, 1, 3]
    assert (joined.users.dtype, joined.starts.dtype, joined.items.dtype) == (np.int32, np.int64, np.int32)


def test_it_does_not_matter_who_joins_whom() -> None:
    one, other = truth_of((1, 4), (3, 2)), truth_of((1, 2), (2, 2))
    assert pairs_of(one.joined(other, N_ITEMS)) == pairs_of(other.joined(one, N_ITEMS))


def test_joining_nothing_changes_nothing() -> None:
    truth = truth_of((1, 4), (3, 2))
    assert pairs_of(truth.joined(truth_of(), N_ITEMS)) == pairs_of(truth)
    assert len(truth_of().joined(truth_of(), N_ITEMS)) == 0


def test_without_and_among_leave_users_that_still_have_a_pair() -> None:
    truth = truth_of((1, 4), (1, 5), (3, 2), (6, 0))
    owned = np.array([1, 3], np.int32), np.array([5, 2], np.int32)
    assert pairs_of(truth.without(*owned, N_ITEMS)) == [(1, 4), (6, 0)]
    assert pairs_of(truth.among(np.array([1, 6, 8], np.int32))) == [(1, 4), (1, 5), (6, 0)]
