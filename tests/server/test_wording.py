"""Sentences in every language there is: complete, filled in, and true to the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

from recsys.reasons import CODES, Reason
from server.wording import FOLDER, OTHER, Wording, wordings

TABLES = ("sentences", "items", "ago", "every", "verbs")
FILLED = {"present", "past", "participle", "items", "ago", "every", "place", "count", "n", "title", "first", "second"}


def placeholders(text: str) -> set[str]:
    found = list(Formatter().parse(text))
    # Plain names alone: nothing of a value is reached into, nothing formatted by its own rules.
    assert all(not spec and conversion is None for _, name, spec, conversion in found if name is not None), text
    return {name for _, name, _, _ in found if name is not None}


def texts_of(wording: Wording) -> Mapping[str, set[str]]:
    """Names of texts, and what is filled in in their widest form."""
    return {name: set().union(*map(placeholders, forms)) for name, forms in _forms(wording)}


def _forms(wording: Wording) -> Iterator[tuple[str, list[str]]]:
    for table in TABLES[:-1]:
        for key, text in getattr(wording, table).items():
            if isinstance(text, str):
                yield f"{table}.{key}", [text]
            else:
                assert OTHER in text, key
                yield f"{table}.{key}", list(text.values())


@pytest.fixture(params=sorted(wordings()))
def wording(request: pytest.FixtureRequest) -> Wording:
    return wordings()[request.param]


def test_english_and_chinese_are_there() -> None:
    assert {"en", "zh"} <= set(wordings())
    assert all(tag == tag.lower() for tag in wordings())


def test_every_language_has_the_same_texts_with_the_same_placeholders(wording: Wording) -> None:
    assert texts_of(wording) == texts_of(wordings()["en"])
    assert {event: set(forms) for event, forms in wording.verbs.items()} == {
        event: {"present", "past", "participle"} for event in wordings()["en"].verbs
    }
    assert set().union(*texts_of(wording).values()) == FILLED


def test_every_reason_has_a_sentence_and_no_sentence_is_left_over(wording: Wording) -> None:
    assert set(wording.sentences) == {*CODES, "FRESH_ANYWHERE"}


def reason_of(code: str, **facts: Any) -> Reason:
    named = {"TASTE", "VIEWED_LIKE", "TOGETHER", "NEXT", "CONTENT", "SIMILAR"}
    items = np.array([3, 4] if code in named else [], np.int32)
    counted = {"count": 3, "days": 19.0, "gap_days": 21.0} if code in ("REGULAR", "BOUGHT_BEFORE", "VIEWED") else {}
    return Reason(code, **({"items": items} | counted | facts))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("target", ["purchase", "listen", "something new"])
def test_no_sentence_has_holes(wording: Wording, code: str, target: str) -> None:
    reason = reason_of(code)
    text = wording.text(reason, ["{count} jars", "Tea 茶"][: len(reason.items)], [target])
    assert text
    # A title may hold anything; it is shown as it is.
    assert text.count("{") == text.count("{count} jars") == (1 if len(reason.items) else 0)
    assert ("Tea 茶" in text) is bool(len(reason.items))


@pytest.mark.parametrize(
    ("code", "facts", "targets", "english", "chinese"),
    [
        (
            "REGULAR",
            {},
            ["purchase"],
            "You buy this about every 3 weeks; last bought 19 days ago",
            "您大约每3周购买一次，上次购买是19天前",
        ),
        ("TASTE", {}, ["purchase"], "Because you bought X and Y", "因为您买过“X”和“Y”"),
        ("TASTE", {}, ["listen"], "Because you listened to X and Y", "因为您听过“X”和“Y”"),
        ("TASTE", {}, ["view", "cart"], "Because you chose X and Y", "因为您选择过“X”和“Y”"),
        ("TASTE", {}, [], "Because you chose X and Y", "因为您选择过“X”和“Y”"),
        ("TOGETHER", {}, ["purchase"], "Often bought together with X and Y", "常与“X”和“Y”一起购买"),
        ("NEXT", {}, ["watch"], "Often watched after X and Y", "常在“X”和“Y”之后观看"),
        ("SIMILAR", {}, ["rating"], "People who rate X and Y also rate this", "评价“X”和“Y”的人也评价这个"),
        ("BOUGHT_BEFORE", {"count": 1}, ["purchase"], "You bought this 19 days ago", "您19天前买过"),
        (
            "BOUGHT_BEFORE",
            {"count": 2},
            ["purchase"],
            "You bought this 2 times; last bought 19 days ago",
            "您买过2次，上次购买是19天前",
        ),
        ("VIEWED", {"days": 0.5}, ["purchase"], "You looked at this in the last 24 hours", "您最近24小时内看过"),
        ("FRESH", {"place": "Fruit"}, ["purchase"], "New in Fruit", "Fruit上新"),
        ("FRESH", {}, ["purchase"], "New here", "新上架"),
        ("POPULAR", {}, ["purchase"], "Popular now", "近期热门"),
        ("SEGMENT", {}, [], "Popular with people whose profile is like yours", "受到与您情况相近的人欢迎"),
    ],
)
def test_sentences(code: str, facts: Mapping[str, Any], targets: list[str], english: str, chinese: str) -> None:
    reason = reason_of(code, **facts)
    titles = ["X", "Y"][: len(reason.items)]
    assert wordings()["en"].text(reason, titles, targets) == english
    assert wordings()["zh"].text(reason, titles, targets) == chinese


def test_one_item_is_named_alone() -> None:
    reason = Reason("TASTE", np.array([3], np.int32))
    assert wordings()["en"].text(reason, ["X"], ["purchase"]) == "Because you bought X"
    assert wordings()["zh"].text(reason, ["X"], ["purchase"]) == "因为您买过“X”"


@pytest.mark.parametrize(
    ("days", "english", "chinese"),
    [
        (0.0, "in the last 24 hours", "最近24小时内"),
        (0.99, "in the last 24 hours", "最近24小时内"),
        (1.0, "a day ago", "1天前"),
        (1.6, "2 days ago", "2天前"),
        (27.4, "27 days ago", "27天前"),
        (28.0, "4 weeks ago", "4周前"),
        (69.0, "10 weeks ago", "10周前"),
        (70.0, "2 months ago", "2个月前"),
        (365.0, "12 months ago", "12个月前"),
    ],
)
def test_how_long_ago_is_said_in_words(days: float, english: str, chinese: str) -> None:
    reason = Reason("VIEWED", count=1, days=days)
    assert wordings()["en"].text(reason, [], []) == f"You looked at this {english}"
    assert wordings()["zh"].text(reason, [], []) == f"您{chinese}看过"


@pytest.mark.parametrize(
    ("days", "english", "chinese"),
    [(1.2, "day", "天"), (10, "10 days", "10天"), (14, "2 weeks", "2周"), (91, "3 months", "3个月")],
)
def test_how_often_is_said_in_words(days: float, english: str, chinese: str) -> None:
    reason = Reason("REGULAR", count=3, days=2.0, gap_days=days)
    assert wordings()["en"].text(reason, [], ["purchase"]).startswith(f"You buy this about every {english};")
    assert wordings()["zh"].text(reason, [], ["purchase"]).startswith(f"您大约每{chinese}购买一次")


def test_a_language_is_a_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "xx.toml"
    path.write_text((FOLDER / "en.toml").read_text(encoding="utf-8").replace("Popular now", "Nun beliebt"))
    assert Wording.read(path).language == "xx"
    assert Wording.read(path).text(Reason("POPULAR"), [], []) == "Nun beliebt"
