from __future__ import annotations

import io

import pytest
from rich.console import Console

from index.analysis.analysis import analyse
from index.analysis.choices import choices
from index.analysis.console import lines, say, show
from index.analysis.sections import Section, sections
from index.dataset import Dataset

PART = Section("Things", ("name", "kind", "count"), (("tea [bold]", "a", "1,000"), ("cup", "bb", "7")), n_words=2)


def screen(*, watched: bool, width: int = 60) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=watched, width=width, color_system=None), out


def test_lines_are_aligned_words_to_the_left_and_figures_to_the_right() -> None:
    assert lines(PART) == [
        "Things",
        "  name        kind  count",
        "  tea [bold]  a     1,000",
        "  cup         bb        7",
    ]


def test_empty_headings_are_not_shown() -> None:
    assert lines(Section("Sizes", ("", ""), (("users", "12"), ("items", "7")))) == [
        "Sizes",
        "  users  12",
        "  items   7",
    ]


def test_a_person_sees_a_table_and_a_file_gets_lines() -> None:
    watched, seen = screen(watched=True)
    show(watched, [PART])
    assert "│ tea [bold] │ a    │ 1,000 │" in seen.getvalue()
    unwatched, written = screen(watched=False)
    show(unwatched, [PART])
    assert written.getvalue() == "\n".join([*lines(PART), "", ""])


def test_a_long_line_is_broken_for_a_person_only() -> None:
    sentence = "warning: " + "words " * 20
    watched, seen = screen(watched=True)
    say(watched, sentence)
    assert max(map(len, seen.getvalue().splitlines())) <= 60
    unwatched, written = screen(watched=False)
    say(unwatched, sentence)
    assert written.getvalue() == f"{sentence}\n"


@pytest.mark.parametrize("watched", [True, False])
def test_a_screen_without_a_sign_for_a_word_shows_a_question_mark(watched: bool) -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, "ascii"), force_terminal=watched, width=60, color_system=None)
    show(console, [Section("Users", ("column", "known"), (("城市", "–"),))])
    console.file.flush()
    assert b"??" in raw.getvalue()


@pytest.mark.parametrize("watched", [True, False])
def test_the_whole_small_shop_can_be_shown(small: Dataset, watched: bool) -> None:
    found = analyse(small, end=int(small.interactions.times.max()) + 1)
    console, out = screen(watched=watched, width=100)
    parts = sections(found, choices(found))
    show(console, parts)
    for part in parts:
        assert part.title in out.getvalue()
        assert all(len(row) == len(part.headings) for row in part.rows)
    assert "nan" not in out.getvalue()


def test_what_is_said_of_the_small_shop(small: Dataset) -> None:
    found = analyse(small, end=int(small.interactions.times.max()) + 1)
    shown = {part.title: part for part in sections(found, choices(found), marks="01")}
    assert [title for title in shown if title.startswith("Drift")] == ["Drift: 4 windows of 5.25 days"]
    assert ("days", "21.0") in shown["Sizes"].rows
    assert ("first event", "2019-04-14 00:00") in shown["Sizes"].rows
    assert shown["Event types"].headings == ("type", "events", "share", "after view")
    assert shown["Event types"].rows == (("purchase", "6", "75.0%", "16.7%"), ("view", "2", "25.0%", ""))
    assert ("baskets with an item the user had", "50.0%") in shown["Old and new"].rows
    assert shown["Users: what is known"].rows[1] == ("city", "category", "66.7%", "62.5%", "2", "1.0")
    # The windows begin a second after the first event: days 1, 7, none and 21 have 2, 1, 0 and 2 of the others.
    assert shown["Drift: 4 windows of 5.25 days"].rows[0] == ("events", "1101", "2", "0", "2", "2")
    assert shown["What follows"].rows[0] == ("events.target_types", "purchase", "since there are purchases")
    assert "Ratings" not in shown
