from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.query import EMPTY_HISTORY, History, Hits, Provenance, Recommendation, Slate

DAY = 86_400


def hits(items: list[int], scores: list[float], limit: int) -> tuple[list[int], list[float]]:
    found = Hits.best_first(np.array(items, np.int32), np.array(scores, np.float32), limit)
    return found.items.tolist(), found.scores.tolist()


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(-1, [1]), (0, [1]), (1, [2, 3, 1]), (DAY, [2, 3, 1]), (DAY + 1, [0, 2, 3, 1]), (10**9, [0, 2, 3, 1])],
)
def test_what_happened_at_the_very_second_is_not_before_it(
    history: Callable[..., History], now: int, offset: int, expected: list[int]
) -> None:
    four = history([(0, 1), (2, 2), (3, 2), (1, 3)])
    assert four.before(now - 2 * DAY + offset).items.tolist() == expected


def test_nothing_is_before_the_first_event(history: Callable[..., History], now: int) -> None:
    one = history([(5, 1)])
    assert len(one.before(now - DAY)) == 0
    assert len(EMPTY_HISTORY.before(now)) == 0


def test_before_cuts_all_columns_alike(history: Callable[..., History], now: int) -> None:
    cut = history([(0, 1, 5.0, True), (1, 2, 3.0, False), (2, 3, 2.0, True)]).before(now - DAY)
    assert cut.items.tolist() == [1, 2]
    assert cut.times.tolist() == [now - 2 * DAY, now - 3 * DAY]
    assert cut.weights.tolist() == [3.0, 2.0]
    assert cut.targets.tolist() == [False, True]


def test_only_target_events_make_an_item_owned_and_each_once(history: Callable[..., History]) -> None:
    seen = history([(7, 1, 1.0, False), (4, 2, 1.0, True), (4, 3, 1.0, True), (2, 4, 0.0, True)])
    assert seen.owned.tolist() == [2, 4]


def test_the_best_come_first() -> None:
    assert hits([4, 8, 1], [0.5, 2.0, 1.0], 2) == ([8, 1], [2.0, 1.0])


def test_ties_break_by_item_number_also_where_the_list_is_cut() -> None:
    assert hits([9, 3, 5, 1], [1.0, 1.0, 1.0, 2.0], 3)[0] == [1, 3, 5]


def test_a_missing_score_sorts_last_and_takes_no_place_from_a_score() -> None:
    assert hits([0, 1, 2, 3], [1.0, 2.0, 3.0, np.nan], 2)[0] == [2, 1]
    assert hits([0, 1, 2, 3], [np.nan, np.nan, np.nan, 1.0], 2)[0] == [3, 0]


def test_a_limit_of_zero_gives_nothing() -> None:
    assert hits([0, 1], [1.0, 2.0], 0) == ([], [])


def test_best_first_agrees_with_a_full_sort() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        n = int(rng.integers(1, 40))
        items = rng.permutation(n)
        scores = rng.integers(0, 6, n).astype(np.float32)
        limit = int(rng.integers(1, n + 5))
        expected = sorted(range(n), key=lambda row: (-scores[row], items[row]))[:limit]
        assert hits(items.tolist(), scores.tolist(), limit)[0] == items[expected].tolist()


def test_a_frozen_array_cannot_be_written_but_its_source_can() -> None:
    source = np.array([1, 2, 3], np.int32)
    view = frozen(source, np.int32)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 9
    source[0] = 9
    assert view.tolist() == [9, 2, 3]


def test_a_recommendation_without_some_items_keeps_order_scores_and_provenance_together() -> None:
    slate = Slate(frozen([4, 2, 9, 7], np.int32), frozen([0.9, 0.7, 0.4, 0.1], np.float32))
    ranks = np.array([[0, np.nan], [1, 5], [2, 6], [np.nan, 7]], np.float32)
    answer = Recommendation(slate, (), Provenance(("a", "b"), ranks / 2, ranks), ("c",), ("w",))

    left = answer.without((8, 2, 4), limit=1)

    assert (left.slate.items.tolist(), left.slate.scores.tolist()) == ([9], [np.float32(0.4)])
    assert (left.provenance.ranks.tolist(), left.provenance.scores.tolist()) == ([[2, 6]], [[1, 3]])
    assert (left.failed_sources, left.warnings) == (("c",), ("w",))
    assert answer.without((), limit=9).slate.items.tolist() == [4, 2, 9, 7]
