from __future__ import annotations

import math

import numpy as np
import pytest

from recsys.arrays import Int32
from recsys.evaluation.metrics import per_user
from recsys.evaluation.slices import Slice
from recsys.evaluation.truth import Truth

N_ITEMS = 20
# User 2 wants 1, 5 and 19, user 4 wants 5, user 7 wants 3.
TRUTH = Truth.of(np.array([2, 2, 2, 4, 7], np.int32), np.array([1, 5, 19, 5, 3], np.int32), N_ITEMS)


def lists_of(*rows: list[int]) -> Int32:
    lists = np.full((len(rows), 100), -1, np.int32)
    for row, items in enumerate(rows):
        lists[row, : len(items)] = items
    return lists


LISTS = lists_of([1, 5], [0, 5], [3])
HITS = TRUTH.hits(LISTS, N_ITEMS)


def mask(n: int, *chosen: int) -> np.ndarray:
    found = np.zeros(n, bool)
    found[list(chosen)] = True
    return found


def test_a_slice_of_users_has_the_whole_truth_of_each() -> None:
    part = Slice("some", "users 2 and 7", users=mask(8, 2, 7))
    assert part.sizes(TRUTH).tolist() == [3, 0, 1]
    whole = per_user(LISTS, TRUTH, N_ITEMS)
    for metric, values in part.accuracy(LISTS, HITS, TRUTH).items():
        assert values.tolist() == whole[metric][[0, 2]].tolist(), metric


def test_a_slice_of_items_is_the_truth_cut_to_them_against_the_whole_list() -> None:
    part = Slice("new", "items 5 and 19", items=mask(N_ITEMS, 5, 19))
    assert part.sizes(TRUTH).tolist() == [2, 1, 0]
    found = part.accuracy(LISTS, HITS, TRUTH)
    # User 2 gets one of two, in place 2; item 1 in place 1 is right, but not in the slice. User 4: place 2 of one.
    place_2 = 1 / math.log2(3)
    assert found["ndcg@10"] == pytest.approx([place_2 / (1 + place_2), place_2])
    assert found["recall@100"].tolist() == [0.5, 1.0]
    assert found["mrr"].tolist() == [0.5, 0.5]


def test_users_and_items_together() -> None:
    part = Slice("both", "", users=mask(8, 4, 7), items=mask(N_ITEMS, 5))
    assert part.sizes(TRUTH).tolist() == [0, 1, 0]
    assert part.accuracy(LISTS, HITS, TRUTH)["hit@10"].tolist() == [1.0]


def test_an_empty_place_is_no_hit_of_the_last_item() -> None:
    part = Slice("last", "item 19", items=mask(N_ITEMS, 19))
    assert part.sizes(TRUTH).tolist() == [1, 0, 0]
    assert part.accuracy(LISTS, HITS, TRUTH)["recall@100"].tolist() == [0.0]


def test_nothing_to_restrict_is_everything_and_an_empty_truth_is_empty() -> None:
    everything = Slice("everything", "")
    assert everything.sizes(TRUTH).tolist() == [3, 1, 1]
    nobody = Truth.of(np.array([], np.int32), np.array([], np.int32), N_ITEMS)
    assert Slice("new", "", items=mask(N_ITEMS, 5)).sizes(nobody).tolist() == []
