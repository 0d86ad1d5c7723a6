"""Items found by their words, with BM25 worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import SnapshotCorrupt
from recsys.lexical import LONGEST_WORD, WordIndex, words_of
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

TEXTS = ("Whole milk. Meadow", "Oat milk. Hill", "Diapers, size 4. Meadow", "龙井绿茶", "Whole milk. Meadow", "")
EVERYTHING = np.ones(len(TEXTS), np.bool_)


@pytest.fixture(scope="module")
def index() -> WordIndex:
    return WordIndex.of(TEXTS)


def test_words_have_no_case_no_punctuation_and_no_repeats() -> None:
    assert words_of("Whole-Milk, 2% MILK ＭＩＬＫ") == ["whole", "milk", "2"]


def test_chinese_gives_characters_and_pairs_of_neighbours_beside_words_of_other_scripts() -> None:
    assert words_of("绿茶Tea") == ["绿", "茶", "绿茶", "tea"]


def test_what_is_longer_than_any_word_is_none() -> None:
    assert words_of("a" * LONGEST_WORD + " " + "b" * (LONGEST_WORD + 1)) == ["a" * LONGEST_WORD]


def test_the_named_product_comes_first_and_what_says_no_word_is_not_found(index: WordIndex) -> None:
    assert index.search("OAT milk", 10, EVERYTHING).items.tolist() == [1, 0, 4]
    assert index.search("diapers", 10, EVERYTHING).items.tolist() == [2]


def test_a_part_of_a_chinese_name_finds_it(index: WordIndex) -> None:
    assert index.search("绿茶", 10, EVERYTHING).items.tolist() == [3]


def test_only_allowed_items_are_found_and_at_most_k(index: WordIndex) -> None:
    allowed = EVERYTHING.copy()
    allowed[0] = False
    assert index.search("whole milk", 10, allowed).items.tolist() == [4, 1]
    assert index.search("whole milk", 1, EVERYTHING).items.tolist() == [0]


def test_items_of_one_text_score_alike_and_stand_in_the_order_of_their_numbers(index: WordIndex) -> None:
    hits = index.search("whole", 10, EVERYTHING)
    assert hits.items.tolist() == [0, 4]
    assert hits.scores[0] == hits.scores[1]


def test_the_score_is_that_of_the_formula_with_every_word_once() -> None:
    # Two texts of one word and of three: the mean is 2.
    index = WordIndex.of(["tea", "tea and cake and tea"])
    rarity = math.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    short, long = (rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length)) for length in (0.5, 1.5))
    hits = index.search("tea", 2, np.ones(2, np.bool_))
    assert hits.items.tolist() == [0, 1]
    assert hits.scores.tolist() == pytest.approx([short, long], rel=1e-6)


def test_a_repeated_word_of_the_question_counts_once(index: WordIndex) -> None:
    once, twice = (index.search(text, 10, EVERYTHING).scores for text in ("milk", "milk milk"))
    assert once.tolist() == twice.tolist()


@pytest.mark.parametrize("text", ["", "  ", "!?", "barbecue", "\x00", "\ud800"])
def test_nothing_is_found_where_no_word_is_known(index: WordIndex, text: str) -> None:
    assert len(index.search(text, 10, EVERYTHING)) == 0


def test_a_catalogue_without_any_text_answers_with_nothing() -> None:
    assert len(WordIndex.of(["", ""]).search("milk", 5, np.ones(2, np.bool_))) == 0


def test_what_is_read_finds_what_was_written(index: WordIndex, tmp_path: Path) -> None:
    index.write(SnapshotWriter(tmp_path))
    read = WordIndex.read(SnapshotReader(tmp_path))
    for text in ("whole milk", "绿茶", "size"):
        there, here = (one.search(text, 10, EVERYTHING) for one in (index, read))
        assert there.items.tolist() == here.items.tolist()
        assert there.scores.tolist() == here.scores.tolist()


def test_arrays_that_do_not_fit_together_are_refused(index: WordIndex, tmp_path: Path) -> None:
    index.write(SnapshotWriter(tmp_path))
    np.save(tmp_path / "arrays" / "words.worths.npy", index.worths[1:])
    with pytest.raises(SnapshotCorrupt, match=r"words\.\* do not fit together"):
        WordIndex.read(SnapshotReader(tmp_path))
