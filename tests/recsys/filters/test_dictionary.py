"""Distinct texts and their codes, by hand."""

from __future__ import annotations

import pytest

from recsys.filters.dictionary import Coded


def test_codes_number_the_distinct_texts_in_order_and_the_empty_one_is_missing() -> None:
    coded = Coded.of(["pear", "", "牛奶", "Apple", "pear"])

    dictionary, codes = coded.dictionary, coded.codes
    assert dictionary.values.many(range(len(dictionary))) == ["Apple", "pear", "牛奶"]
    assert codes.tolist() == [1, -1, 2, 0, 1]
    assert not codes.flags.writeable


@pytest.mark.parametrize(("text", "below"), [("", 0), ("Apple", 0), ("B", 1), ("pear", 1), ("pears", 2), ("🥛", 3)])
def test_texts_are_ordered_by_code_point(text: str, below: int) -> None:
    assert Coded.of(["pear", "牛奶", "Apple"]).dictionary.below(text) == below
