from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from index.texts import item_texts


def texts(columns: Mapping[str, Sequence[str | None]], ids: list[str]) -> list[str]:
    return item_texts(pl.DataFrame({"item_id": ids, **columns}), list(columns), ids)


def test_columns_are_joined_in_order_with_single_spaces() -> None:
    assert texts({"title": ["Green\t tea \n"], "brand": [" Kyo  to "]}, ["a"]) == ["Green tea. Kyo to"]
    assert texts({"brand": ["Kyoto"], "title": ["Green tea"]}, ["a"]) == ["Kyoto. Green tea"]


def test_a_part_that_says_nothing_new_is_left_out() -> None:
    columns = {"title": ["Apple Sauce, 50 oz"], "category": ["GROCERY > FRUIT > APPLE SAUCE"], "brand": ["Grocery"]}
    assert texts(columns, ["a"]) == ["Apple Sauce, 50 oz. GROCERY. FRUIT"]


def test_one_items_words_do_not_silence_anothers() -> None:
    assert texts({"title": ["Tea", "Tea"]}, ["a", "b"]) == ["Tea", "Tea"]


def test_an_items_own_id_is_removed_and_other_numbers_are_not() -> None:
    titles = ["Sauce (#12345)", "Sauce 12345 new", "Sauce (#99999)", "Part 123456"]
    ids = ["12345", "12345x", "1", "3456"]
    assert texts({"title": titles}, ids) == ["Sauce", "Sauce 12345 new", "Sauce (#99999)", "Part 123456"]
    assert texts({"title": ["Sauce 12345 new"]}, ["12345"]) == ["Sauce new"]


def test_a_short_id_is_removed_only_where_it_is_marked_as_one() -> None:
    assert texts({"title": ["7 Up (#7)"]}, ["7"]) == ["7 Up"]


def test_items_that_differ_in_their_suffix_only_have_one_text() -> None:
    assert len(set(texts({"title": ["Tea (#1001)", "Tea (#1002)", "Tea"]}, ["1001", "1002", "1003"]))) == 1


def test_chinese_survives_whole() -> None:
    columns = {"title": ["龙井绿茶 特级 250克"], "category": ["食品 > 茶叶 > 绿茶"]}
    assert texts(columns, ["商品一号"]) == ["龙井绿茶 特级 250克. 食品. 茶叶. 绿茶"]


def test_nothing_known_is_an_empty_text() -> None:
    assert texts({"title": [None, " ", "?!", "x"]}, ["a", "b", "c", "d"]) == ["", "", "", "x"]
    assert texts({"title": ["12345"]}, ["12345"]) == [""]


def test_texts_come_in_the_order_asked_for_and_unknown_ids_have_none() -> None:
    items = pl.DataFrame({"item_id": ["b", "a"], "title": ["B", "A"]})
    assert item_texts(items, ["title"], ["a", "missing", "b"]) == ["A", "", "B"]
    assert item_texts(items, [], ["a", "b"]) == ["", ""]
