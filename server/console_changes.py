"""What a person may change from the command line: events written, devices linked, users looked up and forgotten."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict, ParseError
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from rich.console import Group, RenderableType
from rich.text import Text

from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import WriteEventsRequest
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

# Of one call: a commit costs the same for one event and for hundreds.
EVENTS_A_CALL = 500
MOST_SHOWN = 10


def write(channel: grpc.Channel, options: argparse.Namespace) -> RenderableType:
    """Keep the events of a file, in its order, call by call."""
    stub = EventServiceStub(channel)
    counts = dict.fromkeys(("written", "duplicates", "unjoined", "refused"), 0)
    refused: list[str] = []
    events = _events(options.file)
    while part := list(islice(events, EVENTS_A_CALL)):
        answer = stub.WriteEvents(WriteEventsRequest(events=[event for _, event in part]))
        counts["written"] += answer.n_written
        counts["duplicates"] += answer.n_duplicate
        counts["unjoined"] += answer.n_unjoined
        for (line, _), status in zip(part, answer.statuses, strict=True):
            if status.code:
                counts["refused"] += 1
                refused += [f"line {line}: {_said(status)}"] if len(refused) < MOST_SHOWN else []
    told = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n or name == "written")
    return Group(Text(told), *(Text(line, style="yellow") for line in refused))


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


def _events(path: str) -> Iterator[tuple[int, Event]]:
    """The events of JSON Lines ``path``, - is standard input, by the numbers of their lines. InputError on others."""
    try:
        with sys.stdin if path == "-" else Path(path).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _event(path, number, line)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8") from error


def _event(path: str, number: int, line: str) -> Event:
    try:
        fields: Any = json.loads(line)
        if not isinstance(fields, dict):
            raise ParseError("a line must be an object")
        stamp = fields.get("timestamp")
        if not isinstance(stamp, int | float):
            return ParseDict(fields, Event())
        # As in the tables of a rebuild: epoch seconds.
        event = ParseDict({name: value for name, value in fields.items() if name != "timestamp"}, Event())
        event.timestamp.FromNanoseconds(round(stamp * 1e9))
        return event
    except (ValueError, OverflowError, ParseError, RecursionError) as error:
        what = "no JSON" if isinstance(error, json.JSONDecodeError) else f"no event: {error}"
        raise InputError(f"line {number} of {path} is {what}") from error


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
