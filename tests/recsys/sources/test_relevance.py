"""Free text against a shelf of six products, with vectors whose cosines are plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.arrays import Float32, frozen
from recsys.lexical import WordIndex
from recsys.query import EMPTY_HITS, Hits
from recsys.sources.content import Content
from recsys.sources.relevance import LEAST_SHARE, relevance_of, relevant, terms
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
    return WordIndex.of(TITLES)


@pytest.fixture(scope="module")
def content() -> Content:
    text_of = np.array([0, 1, 2, 3, 4, -1], np.int32)
    texts = TextVectors.of(VECTORS, text_of, np.ones(len(TITLES), np.float32))
    return Content(texts, VectorIndex.build(VECTORS, sample=VECTORS, seed=1))


def test_a_named_product_is_first_even_where_others_are_nearer_in_meaning(words: WordIndex, content: Content) -> None:
    assert relevant(words, content, "oat milk", VEGETARIAN, EVERYTHING).items[0] == OAT


def test_a_need_that_no_title_says_is_found_by_meaning(words: WordIndex, content: Content) -> None:
    assert relevant(words, content, "vegetarian barbecue", VEGETARIAN, EVERYTHING).items[:2].tolist() == [TOFU, TEA]


def test_a_part_of_a_chinese_title_is_found_without_a_vector(words: WordIndex, content: Content) -> None:
    assert relevant(words, content, "绿茶", None, EVERYTHING).items.tolist() == [TEA]


def test_words_alone_answer_in_a_catalogue_without_vectors(words: WordIndex) -> None:
    assert relevant(words, None, "diapers", VEGETARIAN, EVERYTHING).items.tolist() == [DIAPERS]


def test_vectors_alone_answer_without_words(content: Content) -> None:
    assert relevant(None, content, "diapers", VEGETARIAN, EVERYTHING).items[0] == TOFU


def test_scores_are_sums_of_shares(words: WordIndex, content: Content) -> None:
    hits = relevant(words, content, "tofu", VEGETARIAN, EVERYTHING)
    # Cosines to the axis are 1, .8, .6, 0 and 0; only tofu says the word.
    assert hits.items[:3].tolist() == [TOFU, TEA, OAT]
    assert hits.scores.tolist() == pytest.approx([2.0, 0.8, 0.6, LEAST_SHARE, LEAST_SHARE])


def test_texts_alike_fit_alike_and_a_word_that_everything_has_says_little(content: Content) -> None:
    words = WordIndex.of(["green tea", "green tea", "tea", "black tea", "green tea", "rooibos tea"])
    hits = relevant(words, None, "green tea", None, EVERYTHING)
    assert hits.items[:3].tolist() == [0, 1, 4]
    assert hits.scores[:3].tolist() == [1.0, 1.0, 1.0]
    assert 0 < hits.scores[3:].max() < 0.2


def test_hits_that_are_all_the_same_all_fit(content: Content) -> None:
    allowed = ~EVERYTHING
    allowed[TOFU] = True
    assert relevant(None, content, "tofu", VEGETARIAN, allowed).scores.tolist() == [1.0]


def test_only_allowed_items_come_and_the_next_best_take_their_places(words: WordIndex, content: Content) -> None:
    allowed = EVERYTHING.copy()
    allowed[[OAT, TOFU]] = False
    assert relevant(words, content, "milk", VEGETARIAN, allowed, 1).items.tolist() == [MILK, TEA]
    assert not len(relevant(words, content, "milk", VEGETARIAN, ~EVERYTHING))


@pytest.mark.parametrize("text", ["", " ", "!!! ???", "\x00"])
def test_a_text_without_a_word_is_near_to_nothing(words: WordIndex, content: Content, text: str) -> None:
    assert not len(relevant(words, content, text, VEGETARIAN, EVERYTHING))


def test_each_list_gives_so_many(words: WordIndex, content: Content) -> None:
    assert 2 < len(relevant(words, content, "whole milk tea", VEGETARIAN, EVERYTHING, 2)) <= 4


@pytest.mark.parametrize("vector", [np.ones(2, np.float32), np.array([np.nan, 0, 1], np.float32)])
def test_a_vector_that_cannot_be_searched_for_is_refused(words: WordIndex, content: Content, vector: Float32) -> None:
    with pytest.raises(ValueError, match="3 finite numbers"):
        relevant(words, content, "milk", vector, EVERYTHING)


def test_scores_and_ranks_are_told_of_hits_and_nothing_of_others() -> None:
    hits = Hits(frozen([7, 2], np.int32), frozen([0.5, 0.25], np.float32))
    scores, ranks = relevance_of(hits, np.array([2, 3, 7], np.int32))
    assert (scores.tolist()[::2], ranks.tolist()[::2]) == ([0.25, 0.5], [1.0, 0.0])
    assert np.isnan([scores[1], ranks[1]]).all()


def test_the_best_loses_nothing_the_others_the_log_of_their_share_and_strangers_twice_the_last() -> None:
    hits = Hits(frozen([7, 2], np.int32), frozen([0.5, 0.25], np.float32))
    added = terms(hits, np.array([2, 3, 7], np.int32), 3.0)
    assert added.tolist() == pytest.approx([3 * np.log(1 / 2), 3 * np.log(1 / 4), 0.0])
    assert terms(EMPTY_HITS, np.array([1], np.int32), 3.0).tolist() == [0.0]
