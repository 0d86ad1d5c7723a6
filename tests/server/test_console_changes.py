"""recsys-client: what a person changes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1.event_service_pb2 import WriteEventsRequest
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from server.console_changes import EVENTS_A_CALL, LONGEST_LINE
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
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines(EVENT).encode())))

    assert said(capsys, running, "write", "-") == "1 written\n"
    assert running.took(user_id="ann") == {"1-i10"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{", "line 2: no JSON"),
        (b"[1]", "line 2: no event: a line must be an object"),
        (b'{"colour": 1}', "line 2: no event: unknown field 'colour': an event has event_id, event_type, "),
        (json.dumps({**EVENT, "timestamp": 1e30}).encode(), "line 2: no event: timestamp must be epoch seconds or a"),
        (b'"\xff"', "line 2: no JSON in UTF-8"),
        (b"[" * 100_000, "line 2: no JSON"),
        (b'{"query": "' + b"x" * LONGEST_LINE + b'"}', f"line 2: longer than {LONGEST_LINE:,} bytes"),
    ],
)
def test_a_line_that_is_no_event_is_named_and_keeps_no_other_out(
    running: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: bytes, sentence: str
) -> None:
    file = tmp_path / "events.jsonl"
    second = {**EVENT, "item_id": "1-i11"}
    file.write_bytes(lines(EVENT).encode() + text + b"\n\n" + lines(second, {**EVENT, "price": -1}).encode())

    told = said(capsys, running, "write", str(file)).splitlines()
    assert told[0] == "2 written, 2 refused"
    assert " ".join(told).startswith(f"2 written, 2 refused {sentence}"[:79])
    assert told[-1] == "line 5: price must be finite and at least 0, got -1"
    assert running.took(user_id="ann") == {"1-i10", "1-i11"}


def test_a_file_without_an_event_is_bad_input_as_it_is_for_ingest(
    running: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("{\n" * 9 + lines({"price": -1}, *[[1]] * 7))
    assert main(["write", str(file), "--target", running.target]) == 2
    output = capsys.readouterr()

    assert output.err == "recsys-client: none of 17 lines is an event\n"
    assert output.out.startswith("up to line 17: 0 written, 17 refused\nline 1: no JSON")
    assert output.out.endswith("and 7 more\n")
    assert "cannot be read" in said(capsys, running, "write", str(tmp_path / "none"), code=2)
    file.write_text("")
    assert said(capsys, running, "write", str(file)) == "0 written\n"


def test_what_was_kept_before_the_store_went_away_is_told(
    running: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(*({**EVENT, "event_id": str(number)} for number in range(EVENTS_A_CALL + 1))))
    real = EventServiceStub

    class Once:
        """The service for one call; then its store is overwritten by something else."""

        def __init__(self, channel: grpc.Channel) -> None:
            self._stub = real(channel)

        def WriteEvents(self, request: WriteEventsRequest) -> Any:
            answer = self._stub.WriteEvents(request)
            for database in running.state.glob("*.db*"):
                database.write_bytes(b"no database")
            return answer

    monkeypatch.setattr("server.console_changes.EventServiceStub", Once)
    assert main(["write", str(file), "--target", running.target]) == 1
    output = capsys.readouterr()

    assert output.out == f"up to line {EVENTS_A_CALL}: {EVENTS_A_CALL} written\n"
    assert "the state store cannot be used now" in output.err


def test_people_are_linked_looked_up_and_forgotten(
    running: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines(EVENT).encode())))
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
