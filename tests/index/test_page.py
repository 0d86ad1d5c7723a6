"""The page of an evaluation: complete, self-contained, escaped, and readable without its pictures."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from index.figures import Evaluation, Scored, Scores
from index.page import page

HOSTILE = "<script>alert('x')</script>&amp;"
VOID = {"meta", "path", "use", "rect"}


def scored(n_users: int, shift: float) -> Scored:
    users = np.array([f"user {n}" for n in range(n_users)])
    base = np.linspace(0.1, 0.5, n_users)
    metrics = ("ndcg@10", "recall@10", "recall@100", "hit@10", "mrr")
    names = {"popular": base, HOSTILE: base * 0, "pipeline": base + shift}
    return Scored(users, {name: dict.fromkeys(metrics, values) for name, values in names.items()})


def window(split: str) -> Scores:
    beyond = {"coverage@10": 0.25, "hits_coverage@10": 0.1, "diversity@10": float("nan"), "gini@10": 0.75}
    tasks = {"all": scored(40, 0.125), "novel": scored(30, 0.0)}
    facts: dict[str, Any] = {
        "split_at": split,
        "target_types": ["purchase", HOSTILE],
        "n_events": 123_456,
        "n_users": {"all": 40, "novel": 30},
        "slice_definitions": {"few_events": f"users with {HOSTILE}"},
    }
    return Scores(
        tasks,
        {"all": {"few_events": scored(12, 0.25)}, "novel": {}},
        {task: dict.fromkeys(found.values, beyond) for task, found in tasks.items()},
        facts,
    )


@pytest.fixture(scope="module")
def html() -> str:
    return page(Evaluation.of([window(f"2025-{month}-01") for month in ("03", "02", "01")]), f"Lists of {HOSTILE}")


class Outline(HTMLParser):
    """Checks that elements are closed in order; collects what tables and pictures say of themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data.strip()))


@pytest.fixture(scope="module")
def outline(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    assert found.open == []
    return found


def test_the_page_needs_nothing_from_anywhere(html: str, outline: Outline) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", html)
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in outline.seen}
    assert "prefers-color-scheme: dark" in html


def test_every_string_is_escaped(html: str, outline: Outline) -> None:
    assert "<script" not in html
    assert HOSTILE in [word for tag, word in outline.words if tag == "th"]
    assert f"users with {HOSTILE}" in [word for tag, word in outline.words if tag == "dd"]
    assert f"Lists of {HOSTILE}" in [word for tag, word in outline.words if tag == "h1"]


def test_tables_have_captions_and_headings_and_pictures_have_words(outline: Outline) -> None:
    tags = [tag for tag, _ in outline.seen]
    assert tags.count("table") == tags.count("caption") > 0
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in outline.seen if tag == "th")
    pictures = [attributes for tag, attributes in outline.seen if tag == "svg"]
    assert len(pictures) == 6
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)
    ids = [attributes["id"] for _, attributes in outline.seen if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_it_says_first_what_was_found(outline: Outline) -> None:
    paragraphs = [word for tag, word in outline.words if tag == "p"]
    assert paragraphs[0].startswith("After 2025-03-01 and 2 earlier splits: 40 users on all, 30 users on novel. ")
    assert paragraphs[1].startswith("Task all: NDCG@10 of the pipeline is 0.4250 (")
    assert paragraphs[1].endswith("it is ahead of popular, the best other list: +0.1250 (+0.1250 to +0.1250).")
    assert paragraphs[2].endswith("it is level with popular, the best other list: +0.0000 (+0.0000 to +0.0000).")


def test_figures_slices_and_facts_stand_in_tables(outline: Outline) -> None:
    cells = [word for tag, word in outline.words if tag in ("td", "th")]
    assert {"0.4250", "0.2500", "0.7500", "–", "123,456", f"purchase, {HOSTILE}", "all 40, novel 30"} <= set(cells)
    assert "ahead of popular: +0.2500 (+0.2500 to +0.2500)" in cells
    # One table of facts a window.
    captions = [word for tag, word in outline.words if tag == "caption"]
    assert {"The cut at 2025-02-01", "The cut at 2025-01-01"} < set(captions)
    assert not any(caption.startswith("Task novel") and "slice" in caption for caption in captions)
