"""recsys-client: what a person reads."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from server.console_client import main

from .tiny_shop import publish_searchable

AT = ["--at", "2017-07-14T02:40:01Z"]


def shown(capsys: pytest.CaptureFixture[str], target: str, *arguments: str) -> str:
    assert main([*arguments, "--target", target]) == 0
    return capsys.readouterr().out


def test_recommendations_show_names_and_prices_and_no_ids(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, target, "recommend", "user-03", "--limit", "5", *AT)

    assert re.search(r"5 results · personalised · snapshot \S+", text)
    assert len(re.findall(r"Product \d+ 茶 +Food > Shelf \d", text)) == 5
    assert not re.search(r"1-i\d\d", text)


def test_explained_ones_fit_a_hundred_columns_and_say_sources_and_reasons(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, target, "recommend", "user-03", "--explain", *AT)

    # A wide character takes two columns.
    assert max(len(line) + line.count("茶") for line in text.splitlines()) <= 100
    assert "sources" in text
    assert "Popular now" in text
    assert "what makes up the scores" not in text


def test_an_interrupt_ends_a_call_in_one_line(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("server.console_client.RecommendRequest", interrupted)
        assert main(["recommend", "user-03", "--target", target]) == 130
    assert capsys.readouterr().err == "recsys-client: interrupted\n"


def test_scores_that_are_small_and_close_are_still_told_apart(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, target, "similar", "1-i01", "--limit", "5").splitlines()
    scores = [line.split()[-1] for line in lines if line.strip()[:1].isdigit() and "Product" in line]
    assert len(scores) == len(set(scores)) == 5
    assert all(re.fullmatch(r"0\.0\d{4}", score) for score in scores)


def test_a_full_explanation_adds_a_table_of_parts_that_sum_to_the_scores(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, target, "recommend", "user-03", "--explain", "full", "--limit", "5", *AT)

    listed, _, parts = text.partition("what makes up the scores")
    assert "Because" in listed
    assert max(len(line) + line.count("茶") for line in text.splitlines()) <= 100
    heading, *lines = [line.split() for line in parts.splitlines() if line.strip()]
    assert heading == [
        "#", "repeat", "collaborative", "content", "profile", "popularity", "price", "context", "bias", "score"
    ]  # fmt: skip
    assert [line[0] for line in lines] == ["1", "2", "3", "4", "5"]
    for line in lines:
        # Rounded to three decimals each.
        assert sum(map(float, line[1:-1])) == pytest.approx(float(line[-1]), abs=0.004)


def test_reasons_come_in_chinese_when_asked(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, target, "similar", "1-i03", "--explain", "--language", "zh", "--limit", "3")

    assert "的人也选择这个" in re.sub(r"\s", "", text)


def test_warnings_and_missing_items_are_shown(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, target, "recommend", "x", "--limit", "100", "--exclude", "no-such", "1-i01", *AT)

    assert "note: only 58 of 100 results" in text
    assert "not in the catalogue: no-such" in text
    assert "popular" in text


def test_similar_items_are_listed(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, target, "similar", "1-i03", "--ids", "--limit", "3")

    assert text.startswith("similar to 1-i03\n3 results · content")
    assert len(re.findall(r"1-i\d\d", text)) == 4


def test_a_search_lists_what_fits_and_says_what_it_went_without(
    tmp_path: Path, listen: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    publish_searchable(tmp_path)
    text = shown(
        capsys, listen(tmp_path), "search", "product 17", "--ids", "--limit", "3", "--explain", "--user", "nobody"
    )

    assert text.startswith("'product 17' for nobody\n3 results")
    assert "1-i17" in text
    assert "encoder:not_configured" in text
    assert "looking for" in text


def test_variety_can_be_asked_for(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    plain, varied = (
        shown(capsys, target, "similar", "1-i03", "--ids", "--explain", "--diversity", share) for share in ("0", "1")
    )

    assert "diversity" not in plain
    assert varied.startswith("similar to 1-i03\n10 results")


@pytest.mark.parametrize(("words", "n_items"), [(["recommend", "user-03", *AT], 59), (["similar", "1-i03"], 58)])
def test_all_pages_are_one_list(
    target: str, capsys: pytest.CaptureFixture[str], words: list[str], n_items: int
) -> None:
    text = shown(capsys, target, *words, "--ids", "--limit", "20", "--all-pages")

    listed = re.findall(r"^ *(\d+) +(1-i\d\d)", text, re.MULTILINE)
    assert [int(rank) for rank, _ in listed] == list(range(1, n_items + 1))
    assert len({item for _, item in listed}) == n_items


@pytest.mark.parametrize("words", [("recommend", "user-03"), ("similar", "1-i03"), ("search", "tea")])
def test_where_the_user_is_reaches_the_server(
    target: str, capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    assert main([*words, "--platform", "no slug", "--target", target]) == 1
    assert "platform must be letters" in capsys.readouterr().err


def test_status_says_what_is_served(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, target, "status")

    assert re.search(r"health +SERVING", text)
    assert re.search(r"users +24", text)
    assert "buy-again, discover, home, search, similar" in text


def test_users_are_one_a_line(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, target, "users", "--limit", "3").splitlines() == ["user-00", "user-01", "user-02"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["similar", "nope"], 1, "item 'nope' does not exist"),
        (["recommend", "x", "--serving-config", "nope"], 1, "serving config 'nope' does not exist"),
        (["recommend", "x" * 129], 1, "recsys-client: user_id must be at most 128 characters, got 129"),
        (["recommend", "x", "--at", "noon"], 2, "--at must be an ISO 8601 time"),
    ],
)
def test_a_failure_is_one_sentence(
    target: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    assert main([*arguments, "--target", target]) == code

    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert sentence in line


@pytest.mark.parametrize(
    "words", [["guess"], ["recommend", "x", "--explain", "much"], ["recommend", "x", "--language", "中文"]]
)
def test_unknown_words_exit_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(words)

    assert raised.value.code == 2


def test_a_full_disk_is_one_sentence(target: str) -> None:
    command = [sys.executable, "-m", "server.console_client", "users", "--target", target]
    with open("/dev/full", "wb") as disk:
        ran = subprocess.run(command, stdout=disk, stderr=subprocess.PIPE, text=True, timeout=60)

    assert ran.returncode == 2
    assert ran.stderr == "recsys-client: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("limit", ["0", "-1", "201", "ten"])
def test_a_limit_that_a_server_would_not_take_as_it_is_is_refused(
    target: str, capsys: pytest.CaptureFixture[str], limit: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["recommend", "x", "--limit", limit, "--target", target])
    assert refused.value.code == 2
    assert f"must be a whole number from 1 to 200, got '{limit}'" in capsys.readouterr().err
