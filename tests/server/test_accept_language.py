"""Which language is chosen, by RFC 9110's weights and RFC 4647's lookup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accept_language import chosen

OURS = ("en", "fr", "zh")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("ZH-hans-cn", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.8, zh;q=0.9", "zh"),
        ("en, zh", "en"),
        ("zh, en", "zh"),
        ("fr;q=0.5,\tzh ; q=0.501", "zh"),
        ("de, ja;q=0.9", "en"),
        ("de, zh;q=0.1", "zh"),
        ("*", "en"),
        ("zh;q=0.5, *", "en"),
        ("*;q=0.5, zh", "zh"),
        # A weight of 0 rules out, its regions too.
        ("zh;q=0, fr;q=0.1", "fr"),
        ("zh-CN, zh;q=0, fr;q=0.1", "fr"),
        ("zh;q=0.000", "en"),
        ("zh-TW;q=0, zh", "zh"),
        # What does not parse is passed over, the rest counts.
        ("zh;q=2, fr", "fr"),
        ("zh;q=0.1234, fr", "fr"),
        ("zh;level=1", "en"),
        ("茶, zh", "zh"),
        (";;;,,,zh", "zh"),
        ("zhongwenzhongwen, fr", "fr"),
        ("z", "en"),
    ],
)
def test_the_preferred_language_that_there_is(header: str, expected: str) -> None:
    assert chosen(header, OURS, "en") == expected


@given(st.one_of(st.text(max_size=200), st.text("zhenfr-;q=0.1*, ", max_size=200)))
def test_whatever_is_sent_gives_a_language_there_is(header: str) -> None:
    assert chosen(header, OURS, "en") in OURS
