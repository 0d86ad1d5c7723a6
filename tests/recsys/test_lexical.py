"""Items found by their words, with BM25 worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recsys.lexical import WordIndex, words_of
from recsys.text_column import TextColumn

TITLES = ("Whole milk", "Oat milk", "Diapers, size 4", "龙井绿茶", "Whole milk", "")
BRANDS = ("Meadow", "Hill", "Meadow", "", "Meadow", "")
EVERYTHING = np.ones(len(TITLES), np.bool_)


@pytest.fixture(scope="module")
def index() -> WordIndex:
    return WordIndex.of([TextColumn.of(TITLES), TextColumn.of(BRANDS)])


def test_words_have_no_case_and_no_punctuation() -> None:
    assert words_of("Whole-Milk, 2%") == ["whole", "milk", "2"]


def test_chinese_gives_characters_and_pairs_of_neighbours_beside_words_of_other_scripts() -> None:
    assert words_of("绿茶Tea") == ["绿", "茶", "绿茶", "tea"]


def test_the_named_product_comes_first_and_what_says_no_word_is_not_found(index: WordIndex) -> None:
    assert index.search("OAT milk", 10, EVERYTHING).items.tolist() == [1, 0, 4]
    assert index.search("diapers", 10, EVERYTHING).items.tolist() == [2]


def test_a_part_of_a_chinese_name_finds_it(index: WordIndex) -> None:
    assert index.search("绿茶", 10, EVERYTHING).items.tolist() == [3]


def test_brands_are_words_of_the_item_too(index: WordIndex) -> None:
    assert set(index.search("meadow", 10, EVERYTHING).items.tolist()) == {0, 2, 4}


def test_only_allowed_items_are_found_and_at_most_k(index: WordIndex) -> None:
    allowed = EVERYTHING.copy()
    allowed[0] = False
    assert index.search("whole milk", 10, allowed).items.tolist() == [4, 1]
    assert index.search("whole milk", 1, EVERYTHING).items.tolist() == [0]


def test_items_of_one_text_score_alike_and_stand_in_the_order_of_their_numbers(index: WordIndex) -> None:
    hits = index.search("whole", 10, EVERYTHING)
    assert hits.items.tolist() == [0, 4]
    assert hits.scores[0] == hits.scores[1]


def test_the_score_is_that_of_the_formula() -> None:
    # Two texts of one word and of three: the mean is 2.
    index = WordIndex.of([TextColumn.of(["tea", "tea and tea"])])
    rarity = math.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    short = rarity * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 0.5))
    long = rarity * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 1.5))
    hits = index.search("tea", 2, np.ones(2, np.bool_))
    assert hits.items.tolist() == [1, 0] if long > short else [0, 1]
    assert sorted(hits.scores.tolist()) == pytest.approx(sorted([short, long]), rel=1e-6)


def test_a_repeated_word_of_the_question_counts_once(index: WordIndex) -> None:
    once, twice = (index.search(text, 10, EVERYTHING).scores for text in ("milk", "milk milk"))
    assert once.tolist() == twice.tolist()


@pytest.mark.parametrize("text", ["", "  ", "!?", "barbecue"])
def test_nothing_is_found_where_no_word_is_known(index: WordIndex, text: str) -> None:
    assert len(index.search(text, 10, EVERYTHING)) == 0


def test_a_catalogue_without_any_text_answers_with_nothing() -> None:
    index = WordIndex.of([TextColumn.of(["", ""])])
    assert len(index.search("milk", 5, np.ones(2, np.bool_))) == 0


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        WordIndex.of([TextColumn.of(["a"]), TextColumn.of(["a", "b"])])
