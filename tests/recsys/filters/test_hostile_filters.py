"""Text made to hurt is refused at once, in one clear error; what is within the limits is answered."""

from __future__ import annotations

import sys
from time import thread_time

import numpy as np
import pytest

from recsys.errors import FilterError
from recsys.filters.columns import Columns, Numbers, TextLists, Texts
from recsys.filters.grammar import DEEPEST_NESTING, LONGEST_FILTER, MOST_TERMS, parse
from recsys.filters.predicate import MOST_SEARCHES, compile_filter
from recsys.text_column import TextColumn

COLUMNS = Columns(
    2,
    {
        "title": Texts(TextColumn.of(["Whole milk", "Bread"])),
        "price": Numbers(np.array([1.0, 2.0], np.float32)),
        "tags": TextLists.of([["vegan"], []]),
    },
    searched=("title",),
)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * LONGEST_FILTER,
        "(" * 2400 + "a" + ")" * 2400,
        "a=" + "(" * 4000,
        ")" * LONGEST_FILTER,
        "a OR " * 5000,
        "a OR " * 999 + "a",
        "a " * 2500,
        "brand=(" + "a " * 2400 + ")",
        "NOT " * 1250,
        "-" * LONGEST_FILTER,
        '"' * 4999,
        '"' + "a" * 4999,
        "'" + '\\"' * 2000,
        '"' + "\\" * 4999,
        "a." * 2500,
        '"a".' * 1250,
        "a" * 4998 + "(",
        "a=1" * 1666,
        "title:" + "a*" * 2400,
        "\x00" * LONGEST_FILTER,
        "🥛=" * 2500,
        "🥛" * 4999 + '"',
        "\ud800" * 100,
    ],
    ids=lambda text: f"{text[:12]!a}x{len(text)}",
)
def test_hostile_text_is_refused_in_a_tenth_of_a_second(text: str) -> None:
    started = thread_time()
    with pytest.raises(FilterError) as refused:
        compile_filter(text, COLUMNS.schema)
    elapsed = thread_time() - started

    assert elapsed < 0.1
    assert 0 <= refused.value.position <= len(text)
    assert len(str(refused.value)) < 300


def test_the_deepest_filter_is_answered_with_little_stack_left_and_one_deeper_is_refused() -> None:
    text = "(NOT " * DEEPEST_NESTING + "price<2" + ")" * DEEPEST_NESTING
    limit = sys.getrecursionlimit()
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth + 500)
    try:
        assert compile_filter(text, COLUMNS.schema).mask(COLUMNS).tolist() == [True, False]
    finally:
        sys.setrecursionlimit(limit)

    with pytest.raises(FilterError, match=f"at most {DEEPEST_NESTING} deep at position {DEEPEST_NESTING}$"):
        parse(f"({'(' * DEEPEST_NESTING}a{')' * DEEPEST_NESTING})")


@pytest.mark.parametrize("term", ["p:1", 'p="1"', "a", "p<2 OR"])
def test_the_limit_on_terms_counts_every_kind_of_term_once(term: str) -> None:
    text = f"{term} " * (MOST_TERMS - 1) + "p<2"
    parse(text)

    with pytest.raises(FilterError, match=f"at most {MOST_TERMS} comparisons and words") as refused:
        parse(f"{text} p<2")
    assert text.count("p<2", 0, refused.value.position) == text.count("p<2")


def test_every_value_of_a_group_is_a_term() -> None:
    parse(f"p=({'1 ' * MOST_TERMS})")

    with pytest.raises(FilterError, match="comparisons and words"):
        parse(f"p=({'1 ' * (MOST_TERMS + 1)})")


def test_a_filter_of_the_greatest_length_is_read() -> None:
    assert parse('"' + "a" * (LONGEST_FILTER - 2) + '"')

    with pytest.raises(FilterError, match=f"at most {LONGEST_FILTER} characters, got {LONGEST_FILTER + 1}"):
        parse("a" * (LONGEST_FILTER + 1))


@pytest.mark.parametrize("search", ["milk", "title:milk", 'title="*milk"', "title!=*milk", "tags:*gan"])
def test_searches_are_limited_more_tightly_than_other_terms(search: str) -> None:
    compile_filter(f"{search} " * MOST_SEARCHES, COLUMNS.schema)

    with pytest.raises(FilterError, match=f"at most {MOST_SEARCHES} times"):
        compile_filter(f"{search} " * (MOST_SEARCHES + 1), COLUMNS.schema)


@pytest.mark.parametrize("cheap", ["title:*", 'title="Bread"', 'title="Br*"', "price:2", "tags:ve*"])
def test_what_searches_no_text_is_limited_by_the_number_of_terms_only(cheap: str) -> None:
    compile_filter(f"{cheap} " * (MOST_SEARCHES + 1), COLUMNS.schema)
