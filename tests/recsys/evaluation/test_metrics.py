from __future__ import annotations

import math

import numpy as np
import pytest

from recsys.arrays import Int32, frozen
from recsys.evaluation.metrics import Exposure, beyond_accuracy, ndcg, per_user, reciprocal_rank
from recsys.evaluation.truth import Truth

N_ITEMS = 200


def truth_of(pairs: list[tuple[int, int]]) -> Truth:
    users, items = np.array(pairs, np.int32).reshape(-1, 2).T
    return Truth.of(users, items, N_ITEMS)


def lists_of(rows: list[list[int]], width: int = 100) -> Int32:
    lists = np.full((len(rows), width), -1, np.int32)
    for row, items in enumerate(rows):
        lists[row, : len(items)] = items
    return lists


def gain(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def exposure_of(
    popularity: dict[int, float], known: list[int], vectors: object = None, text_of: object = None
) -> Exposure:
    share, mask = np.zeros(N_ITEMS, np.float32), np.zeros(N_ITEMS, bool)
    share[list(popularity)] = list(popularity.values())
    mask[known] = True
    return Exposure(
        share,
        mask,
        None if vectors is None else np.array(vectors, np.float32),
        None if text_of is None else frozen(text_of, np.int32),
    )


def test_truth_holds_each_pair_once_user_by_user() -> None:
    truth = truth_of([(7, 3), (2, 9), (7, 1), (7, 3)])
    assert truth.users.tolist() == [2, 7]
    assert truth.sizes.tolist() == [1, 2]
    assert truth.items.tolist() == [9, 1, 3]


def test_a_user_whose_every_pair_is_owned_has_no_novel_truth() -> None:
    truth = truth_of([(0, 1), (0, 2), (5, 1)])
    novel = truth.without(np.array([0, 5, 9], np.int32), np.array([2, 1, 1], np.int32), N_ITEMS)
    assert novel.users.tolist() == [0]
    assert novel.items.tolist() == [1]


def test_among_keeps_the_pairs_of_the_users_named() -> None:
    part = truth_of([(0, 1), (3, 2), (3, 5), (8, 9)]).among(np.array([3, 8, 100], np.int32))
    assert part.users.tolist() == [3, 8]
    assert part.starts.tolist() == [0, 2, 3]
    assert part.items.tolist() == [2, 5, 9]


def test_an_empty_place_is_never_a_hit() -> None:
    # Item N-1 of the first user and place -1 of the second row would be the same number without the mask.
    truth = truth_of([(0, N_ITEMS - 1), (1, 4)])
    assert truth.hits(lists_of([[], [-1, 4]], 3), N_ITEMS).tolist() == [[False] * 3, [False, True, False]]


def test_a_hit_counts_for_its_own_user_only() -> None:
    assert truth_of([(0, 1), (1, 2)]).hits(lists_of([[2, 1], [1, 2]], 2), N_ITEMS).tolist() == [[False, True]] * 2


def test_ndcg_is_the_discounted_gain_over_the_best_possible() -> None:
    hits = np.zeros((3, 10), bool)
    hits[0, [0, 3]] = hits[1, 9] = True
    hits[2] = True
    expected = [(gain(1) + gain(4)) / (gain(1) + gain(2) + gain(3)), gain(10) / gain(1), 1.0]
    assert ndcg(hits, np.array([3.0, 1.0, 25.0])) == pytest.approx(expected, rel=1e-12)


def test_ndcg_of_a_list_shorter_than_k_leaves_the_other_places_empty() -> None:
    assert ndcg(np.array([[True, True]]), np.array([4.0])) == pytest.approx(
        [(gain(1) + gain(2)) / sum(gain(rank) for rank in (1, 2, 3, 4))]
    )


def test_the_reciprocal_rank_is_of_the_first_hit() -> None:
    hits = np.array([[False, True, True], [False, False, False], [True, False, False]])
    assert reciprocal_rank(hits).tolist() == [0.5, 0.0, 1.0]


def test_accuracy_of_two_users_by_hand() -> None:
    # User 0 wants 12 items and gets two in the top 10 and two below; user 1 wants one and gets it in place 11.
    truth = truth_of([(0, item) for item in range(12)] + [(1, 50)])
    first = [0, 100, 1, *range(101, 108), 2, 3]
    found = per_user(lists_of([first, [*range(100, 110), 50]]), truth, N_ITEMS)
    ideal = sum(gain(rank) for rank in range(1, 11))
    assert found["ndcg@10"] == pytest.approx([(gain(1) + gain(3)) / ideal, 0.0])
    assert found["recall@10"] == pytest.approx([2 / 10, 0.0])
    assert found["recall@100"] == pytest.approx([4 / 12, 1.0])
    assert found["hit@10"].tolist() == [1.0, 0.0]
    assert found["mrr"] == pytest.approx([1.0, 1 / 11])


def test_coverage_counts_known_items_shown_and_those_that_were_hits() -> None:
    truth = truth_of([(0, 1), (1, 2)])
    found = beyond_accuracy(lists_of([[1, 2], [1, 3]]), truth, exposure_of({}, known=[1, 2, 3, 4, 5]))
    assert found["coverage@10"] == pytest.approx(3 / 5)
    assert found["hits_coverage@10"] == pytest.approx(1 / 5)


def test_gini_is_zero_when_all_are_shown_alike_and_highest_when_one_is_shown_always() -> None:
    truth = truth_of([(0, 0), (1, 0)])
    alike = beyond_accuracy(lists_of([[0, 1], [2, 3]]), truth, exposure_of({}, known=[0, 1, 2, 3]))
    single = beyond_accuracy(lists_of([[0], [0]]), truth, exposure_of({}, known=[0, 1, 2, 3]))
    uneven = beyond_accuracy(lists_of([[0, 1], [0]]), truth, exposure_of({}, known=[0, 1]))
    nothing = beyond_accuracy(lists_of([[], []]), truth, exposure_of({}, known=[0, 1]))
    assert alike["gini@10"] == pytest.approx(0.0)
    assert single["gini@10"] == pytest.approx(3 / 4)
    assert uneven["gini@10"] == pytest.approx(1 / 6)
    assert nothing["gini@10"] == 0.0


def test_diversity_is_one_minus_the_mean_cosine_of_pairs() -> None:
    # Cosines of the first list: 0, 0.6 and 0.8; the second has one item with text and does not count.
    vectors, text_of = [[1, 0], [0, 1], [0.6, 0.8]], np.full(N_ITEMS, -1)
    text_of[[0, 1, 2]] = [0, 1, 2]
    exposure = exposure_of({}, known=[0, 1, 2], vectors=vectors, text_of=text_of)
    found = beyond_accuracy(lists_of([[0, 1, 2, 9], [0, 9]]), truth_of([(0, 0), (1, 0)]), exposure)
    assert found["diversity@10"] == pytest.approx(1 - (0 + 0.6 + 0.8) / 3, rel=1e-6)


def test_diversity_is_unknown_without_texts() -> None:
    found = beyond_accuracy(lists_of([[0, 1]]), truth_of([(0, 0)]), exposure_of({}, known=[0]))
    assert math.isnan(found["diversity@10"])


def test_novelty_is_in_bits_and_an_item_nobody_took_stays_finite() -> None:
    exposure = exposure_of({0: 0.5, 1: 0.125}, known=[0, 1])
    found = beyond_accuracy(lists_of([[0, 1], [7]]), truth_of([(0, 0), (1, 0)]), exposure)
    # Item 7 counts as half as popular as item 1, the rarest that anyone took.
    assert found["novelty@10"] == pytest.approx((1 + 3 + 4) / 3)


def test_only_the_first_ten_places_count_beyond_accuracy() -> None:
    found = beyond_accuracy(lists_of([list(range(30))]), truth_of([(0, 0)]), exposure_of({}, known=list(range(30))))
    assert found["coverage@10"] == pytest.approx(1 / 3)
