"""recsys-client: what a person changes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from server.console_changes import EVENTS_A_CALL
from server.console_client import main

from .stateful import Shop, Shops

EVENT = {"event_type": "purchase", "user_id": "ann", "item_id": "1-i10"}


@pytest.fixture
def running(shop: Shops) -> Shop:
    return shop()


def lines(*events: Any) -> str:
    return "".join(f"{json.dumps(event)}\n" for event in events)


def said(capsys: pytest.CaptureFixture[str], running: Shop, *arguments: str, code: int = 0) -> str:
    assert main([*arguments, "--target", running.target]) == code
    output = capsys.readouterr()
    return output.out if code == 0 else output.err


def test_events_of_a_file_are_written_and_what_is_refused_is_named_by_its_line(
    running: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    many = [{**EVENT, "event_id": str(number), "timestamp": 1.5e9 + number} for number in range(EVENTS_A_CALL)]
    file.write_text(lines(*many, {**EVENT, "timestamp": "2017-07-14T02:40:01Z"}) + "\n" + lines({"price": -1}))
    text = said(capsys, running, "write", str(file))

    assert text.startswith(f"{EVENTS_A_CALL + 1} written, 1 refused\nline {EVENTS_A_CALL + 3}: event_type must not be")
    assert "price must be finite and at least 0, got -1" in " ".join(text.split())
    assert said(capsys, running, "write", str(file)).startswith(f"0 written, {EVENTS_A_CALL + 1} duplicates, 1 refused")


def test_events_come_from_a_pipe_too(
    running: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines(EVENT)))

    assert said(capsys, running, "write", "-") == "1 written\n"
    assert running.took(user_id="ann") == {"1-i10"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "line 1 of {} is no JSON"),
        (lines(EVENT, [1]), "line 2 of {} is no event: a line must be an object"),
        (lines({"colour": 1}), "line 1 of {} is no event"),
        (lines({**EVENT, "timestamp": 1e30}), "line 1 of {} is no event"),
    ],
)
def test_a_line_that_is_no_event_is_one_sentence(
    running: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(text)

    assert sentence.format(file) in said(capsys, running, "write", str(file), code=2)
    assert "cannot be read" in said(capsys, running, "write", str(tmp_path / "none"), code=2)


def test_people_are_linked_looked_up_and_forgotten(
    running: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines(EVENT)))
    said(capsys, running, "write", "-")

    assert said(capsys, running, "link", "ann", "phone") == "phone is ann\n"
    assert said(capsys, running, "link", "bob", "phone") == "phone is bob, who was ann\n"
    assert said(capsys, running, "unlink", "bob", "phone") == "phone is bob no longer\n"
    assert "does not exist" in said(capsys, running, "unlink", "bob", "phone", code=1)
    assert [line.split() for line in said(capsys, running, "profile", "ann").splitlines()] == [
        ["visitors", "none"],
        ["events", "in", "the", "snapshot", "0"],
        ["events", "since", "1"],
    ]
    receipt = said(capsys, running, "forget", "ann")
    assert "receipt" in receipt
    assert running.took(user_id="ann") == set()
    assert "does not exist" in said(capsys, running, "profile", "ann", code=1)
