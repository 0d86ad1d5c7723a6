"""What a person may change from the command line: events written, devices linked, users looked up and forgotten."""

from __future__ import annotations

import argparse
import codecs
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from rich.console import Group, RenderableType
from rich.text import Text

from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import WriteEventsRequest, WriteEventsResponse
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.user_service_pb2 import (
    DeleteUserRequest,
    GetProfileRequest,
    LinkIdentitiesRequest,
    UnlinkIdentitiesRequest,
)
from protos.recommender.v1.user_service_pb2_grpc import UserServiceStub
from recsys.errors import InputError
from server import console_tables
from server.event_lines import event_of

# Of one call: a commit costs the same for one event and for hundreds.
EVENTS_A_CALL = 500
# With one more line within what a server takes.
BYTES_A_CALL = 2 << 20
LONGEST_LINE = 1 << 20
MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Line:
    """event: None where the line is none, and ``problem`` says why."""

    number: int
    event: Event | None
    problem: str = ""


@dataclass(slots=True)
class _Account:
    """What became of ``n_lines`` lines, the last of them ``last``: ``refused`` holds the first of those refused."""

    n_lines: int = 0
    last: int = 0
    n_refused: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def add(self, part: Sequence[_Line], answer: WriteEventsResponse) -> None:
        """Lines of one call, in their order, and what was answered for those that are events."""
        self.n_lines += len(part)
        self.last = part[-1].number
        self.kept.update(
            written=answer.n_written,
            duplicates=answer.n_duplicate,
            unjoined=answer.n_unjoined,
            **{"of people deleted since": answer.n_erased},
        )
        statuses = iter(answer.statuses)
        for line in part:
            problem = line.problem
            if line.event is not None and (status := next(statuses)).code:
                problem = _said(status)
            if problem:
                self.n_refused += 1
                self.refused += [f"line {line.number}: {problem}"] if len(self.refused) < MOST_SHOWN else []

    def shown(self, before: str = "") -> RenderableType:
        """For a person."""
        counts = {**self.kept, "refused": self.n_refused}
        told = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n or name == "written")
        more = self.n_refused - len(self.refused)
        problems = [*self.refused, *([f"and {more:,} more"] if more else [])]
        return Group(Text(before + (told or "0 written")), *(Text(line, style="yellow") for line in problems))


def write(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    """Keep the events of a file, in its order, call by call. What is no event is counted and keeps none of them out.

    Whatever ends it early, what was acknowledged before is told. InputError where no line is an event.
    """
    stub, account = EventServiceStub(channel), _Account()
    try:
        for part in _parts(_lines(options.file)):
            events = [line.event for line in part if line.event is not None]
            account.add(part, stub.WriteEvents(WriteEventsRequest(events=events)) if events else WriteEventsResponse())
        if account.n_lines and account.n_refused == account.n_lines:
            raise InputError(f"none of {account.n_lines:,} lines is an event")
    except (grpc.RpcError, InputError, KeyboardInterrupt):
        if account.last:
            console_tables.console().print(account.shown(f"up to line {account.last:,}: "))
        raise
    return account.shown()


def link(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    """Make a visitor a user."""
    request = LinkIdentitiesRequest(user_id=options.user, visitor_id=options.visitor)
    before = UserServiceStub(channel).LinkIdentities(request).previous_user_id
    moved = f", who was {before}" if before not in ("", options.user) else ""
    return Text(f"{options.visitor} is {options.user}{moved}")


def unlink(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    """Take that back."""
    UserServiceStub(channel).UnlinkIdentities(UnlinkIdentitiesRequest(user_id=options.user, visitor_id=options.visitor))
    return Text(f"{options.visitor} is {options.user} no longer")


def profile(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    """What is known of a user."""
    known = UserServiceStub(channel).GetProfile(GetProfileRequest(user_id=options.user))
    facts = {name: _shown(value) for name, value in sorted(known.user.attributes.items())}
    facts |= {
        "visitors": ", ".join(known.visitor_ids) or "none",
        "events in the snapshot": f"{known.n_snapshot_events:,}",
        "events since": f"{known.n_events:,}",
    }
    return console_tables.facts_table(facts)


def forget(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    """Delete a user; the receipt."""
    receipt = UserServiceStub(channel).DeleteUser(DeleteUserRequest(user_id=options.user)).receipt
    return console_tables.facts_table(
        {
            "receipt": receipt.id,
            "deleted at": receipt.deleted_at.ToJsonString(),
            "events": f"{receipt.n_events:,}",
            "profile": "yes" if receipt.profile else "none",
            "links": f"{receipt.links:,}",
        }
    )


def _parts(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """What goes into one call each."""
    part, n_bytes = list[_Line](), 0
    for line in lines:
        part.append(line)
        n_bytes += line.event.ByteSize() if line.event is not None else 0
        if len(part) == EVENTS_A_CALL or n_bytes > BYTES_A_CALL:
            yield part
            part, n_bytes = [], 0
    if part:
        yield part


def _lines(path: str) -> Iterator[_Line]:
    """The lines of JSON Lines ``path``, - is standard input; blank ones are none. InputError where it is no file."""
    try:
        with sys.stdin.buffer if path == "-" else Path(path).open("rb") as lines:
            for number, raw in enumerate(lines, start=1):
                text = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
                if text.strip():
                    yield _line(number, text)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _line(number: int, raw: bytes) -> _Line:
    if len(raw) > LONGEST_LINE:
        return _Line(number, None, f"longer than {LONGEST_LINE:,} bytes")
    try:
        fields: Any = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return _Line(number, None, "no JSON in UTF-8")
    try:
        return _Line(number, event_of(fields))
    except InputError as error:
        return _Line(number, None, f"no event: {error}")


def _said(status: Status) -> str:
    """Every broken rule, without the place in the call."""
    broken = BadRequest()
    for detail in status.details:
        if detail.Unpack(broken):
            rules = [str(one.description) for one in broken.field_violations]
            return "; ".join(rule.partition(".")[2] for rule in rules)
    return str(status.message)


def _shown(value: AttributeValue) -> str:
    kind = value.WhichOneof("kind")
    return f"{value.number:g}" if kind == "number" else str(getattr(value, kind or "text"))
