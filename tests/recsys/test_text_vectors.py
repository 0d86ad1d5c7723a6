from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from recsys.query import History
from recsys.text_vectors import MOST_ITEMS, TextVectors

# Text 0: items 0 and 3 and 5; text 1: item 1; text 2: item 4; item 2 has none.
TEXT_OF = np.array([0, 1, -1, 0, 2, 0], np.int32)
POPULARITY = np.array([1, 9, 9, 5, 9, 1], np.float32)
VECTORS = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)


@pytest.fixture
def texts() -> TextVectors:
    return TextVectors.of(VECTORS, TEXT_OF, POPULARITY)


def mask(*allowed: int) -> np.ndarray:
    return np.isin(np.arange(len(TEXT_OF)), allowed)


def test_items_of_a_text_stand_together_the_most_popular_first(texts: TextVectors) -> None:
    assert texts.members.tolist() == [3, 0, 5, 1, 4]
    assert texts.starts.tolist() == [0, 3, 4, 5]


def test_a_text_is_allowed_with_the_first_of_its_items(texts: TextVectors) -> None:
    assert texts.allowed_texts(mask(5, 2)).tolist() == [True, False, False]
    assert texts.allowed_texts(mask()).tolist() == [False] * 3
    assert texts.allowed_texts(mask(1, 4)).tolist() == [False, True, True]


def test_a_text_expands_to_its_most_popular_allowed_items(texts: TextVectors) -> None:
    found, score = np.array([2, 0], np.int32), np.array([0.9, 0.8], np.float32)
    items, scores = texts.expand(found, score, mask(0, 1, 3, 4, 5), 2)
    assert (items.tolist(), scores.tolist()) == ([4, 3, 0], pytest.approx([0.9, 0.8, 0.8]))
    # A forbidden item leaves its place to the next of the same text.
    assert texts.expand(found, score, mask(0, 5), 2)[0].tolist() == [0, 5]
    assert texts.expand(found[:0], score[:0], mask(0), 2)[0].tolist() == []


def test_interest_is_the_decayed_mean_of_the_texts_taken(
    texts: TextVectors, history: Callable[..., History], now: int
) -> None:
    vector = texts.interest(history([(0, 0), (3, 56), (1, 56, 2.0, True), (2, 1)]), now)
    x, y = 1 + math.exp(-1), 2 * math.exp(-1)
    assert vector == pytest.approx([x / math.hypot(x, y), y / math.hypot(x, y)], rel=1e-6)


@pytest.mark.parametrize("events", [[], [(2, 1)], [(0, 1, 0.0, True)], [(0, 1), (4, 1)]])
def test_without_a_direction_there_is_no_interest(
    texts: TextVectors, history: Callable[..., History], now: int, events: list[tuple[float, ...]]
) -> None:
    # Nothing taken, nothing with text, nothing that weighs, and two opposite texts.
    assert texts.interest(history(events), now) is None


def test_only_the_heaviest_texts_make_the_mean() -> None:
    vectors = np.eye(MOST_ITEMS + 5, dtype=np.float32)
    texts = TextVectors.of(vectors, np.arange(len(vectors), dtype=np.int32), np.ones(len(vectors), np.float32))
    weights = np.ones(len(vectors))
    weights[[2, 7]] = 0.5
    vector = texts.mean(np.arange(len(vectors)), weights)
    assert vector is not None
    # Ties by number: the two light ones and the last three of the others are left out.
    assert np.flatnonzero(vector == 0).tolist() == [2, 7, MOST_ITEMS + 2, MOST_ITEMS + 3, MOST_ITEMS + 4]
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, rel=1e-6)
