"""Free text against a shelf of six products, with vectors whose cosines are plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.arrays import Bool, Float32, frozen
from recsys.lexical import WordIndex
from recsys.query import EMPTY_HISTORY, Query
from recsys.serving import built_in
from recsys.sources.content import Content
from recsys.sources.relevance import Relevance
from recsys.text_column import TextColumn
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex

MILK, OAT, DIAPERS, TOFU, TEA, UNNAMED = range(6)
TITLES = ("Whole milk", "Oat milk", "Diapers", "Tofu skewers", "龙井绿茶", "")
# Axes: dairy, baby, vegetarian food. What has no title has no text.
VECTORS = np.array([[1, 0, 0], [0.8, 0, 0.6], [0, 1, 0], [0, 0, 1], [0.6, 0, 0.8]], np.float32)
VEGETARIAN: Float32 = np.array([0, 0, 1], np.float32)
EVERYTHING = np.ones(len(TITLES), np.bool_)


@pytest.fixture(scope="module")
def words() -> WordIndex:
    return WordIndex.of([TextColumn.of(TITLES)])


@pytest.fixture(scope="module")
def content() -> Content:
    text_of = np.array([0, 1, 2, 3, 4, -1], np.int32)
    texts = TextVectors.of(VECTORS, text_of, np.ones(len(TITLES), np.float32))
    return Content(texts, VectorIndex.build(VECTORS, sample=VECTORS, seed=1))


def asked(allowed: Bool = EVERYTHING) -> Query:
    nothing = frozen([], np.int32)
    mask = frozen(allowed, np.bool_)
    return Query("", None, EMPTY_HISTORY, mask, owned=nothing, limit=10, at=0, config=built_in()["home"])


def test_a_named_product_is_first_even_where_others_are_nearer_in_meaning(words: WordIndex, content: Content) -> None:
    hits = Relevance(words, content, "oat milk", VEGETARIAN).retrieve(asked(), 3)
    assert hits.items[0] == OAT


def test_a_need_that_no_title_says_is_found_by_meaning(words: WordIndex, content: Content) -> None:
    hits = Relevance(words, content, "vegetarian barbecue", VEGETARIAN).retrieve(asked(), 2)
    assert hits.items.tolist() == [TOFU, TEA]


def test_a_part_of_a_chinese_title_is_found_without_a_vector(words: WordIndex, content: Content) -> None:
    assert Relevance(words, content, "绿茶").retrieve(asked(), 5).items.tolist() == [TEA]


def test_words_alone_answer_in_a_catalogue_without_vectors(words: WordIndex) -> None:
    assert Relevance(words, None, "diapers", VEGETARIAN).retrieve(asked(), 5).items.tolist() == [DIAPERS]


def test_scores_are_sums_of_reciprocal_ranks(words: WordIndex, content: Content) -> None:
    hits = Relevance(words, content, "tofu", VEGETARIAN).retrieve(asked(), 2)
    assert hits.items.tolist() == [TOFU, TEA]
    assert hits.scores.tolist() == pytest.approx([2 / 61, 1 / 62])


def test_only_allowed_items_come_and_the_next_best_take_their_places(words: WordIndex, content: Content) -> None:
    allowed = EVERYTHING.copy()
    allowed[[OAT, TOFU]] = False
    hits = Relevance(words, content, "milk", VEGETARIAN).retrieve(asked(allowed), 2)
    assert hits.items.tolist() == [MILK, TEA]
    assert not len(Relevance(words, content, "milk", VEGETARIAN).retrieve(asked(~EVERYTHING), 5))


def test_a_short_list_is_the_beginning_of_a_long_one(words: WordIndex, content: Content) -> None:
    source = Relevance(words, content, "whole milk tea", VEGETARIAN, depth=2)
    longest = source.retrieve(asked(), 6).items.tolist()
    assert all(source.retrieve(asked(), k).items.tolist() == longest[:k] for k in range(6))
    assert 2 < len(longest) <= 4


@pytest.mark.parametrize("vector", [np.ones(2, np.float32), np.array([np.nan, 0, 1], np.float32)])
def test_a_vector_that_cannot_be_searched_for_is_refused(words: WordIndex, content: Content, vector: Float32) -> None:
    with pytest.raises(ValueError, match="3 finite numbers"):
        Relevance(words, content, "milk", vector)
