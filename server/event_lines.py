"""One JSON object as an event, in words that a person wrote it with: the names of the wire, the times of the tables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from protos.recommender.v1.event_pb2 import Event
from recsys.errors import InputError

_FIELDS: Mapping[str, FieldDescriptor] = {
    name: field for field in Event.DESCRIPTOR.fields for name in (field.name, field.json_name)
}
_NAMES = ", ".join(field.name for field in Event.DESCRIPTOR.fields)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
# What Timestamp holds: the years 1 to 9999.
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799


def event_of(fields: Any) -> Event:
    """``fields`` by their names (``item_id`` or ``itemId``), null as if it were not there.

    timestamp: epoch seconds, or ISO 8601, without a zone UTC. InputError saying which field is wrong and what it takes.
    """
    if not isinstance(fields, dict):
        raise InputError("a line must be an object")
    event = Event()
    for name, value in fields.items():
        field = _FIELDS.get(name)
        if field is None:
            raise InputError(f"unknown field {_shown(name)}: an event has {_NAMES}")
        if field.json_name != field.name and {field.json_name, field.name} <= fields.keys():
            raise InputError(f"{field.name} and {field.json_name} are the same field")
        if value is None:
            continue
        if field.message_type is not None:
            event.timestamp.FromNanoseconds(_nanoseconds(field.name, value))
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            setattr(event, field.name, _text(field.name, value))
        else:
            setattr(event, field.name, _number(field.name, value))
    return event


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, got {_shown(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{name} must be valid Unicode") from None
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{name} must be a number, got {_shown(value)}")
    try:
        number = float(value) if not isinstance(value, str) or _NUMBER.fullmatch(value) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} must be a number, got {_shown(value)}")
    return number


def _nanoseconds(name: str, value: Any) -> int:
    wrong = InputError(f"{name} must be epoch seconds or a time such as 2026-01-31T08:00:00Z, got {_shown(value)}")
    if isinstance(value, str):
        try:
            told = datetime.fromisoformat(value)
        except ValueError:
            raise wrong from None
        since = (told if told.tzinfo else told.replace(tzinfo=UTC)) - datetime.fromtimestamp(0, UTC)
        seconds, nanoseconds = since.days * 86_400 + since.seconds, since.microseconds * 1000
    elif isinstance(value, bool) or not isinstance(value, int | float) or not _FIRST_S <= value <= _LAST_S:
        raise wrong
    else:
        seconds, nanoseconds = divmod(round(value * 10**9), 10**9)
    if not _FIRST_S <= seconds <= _LAST_S:
        raise wrong
    return seconds * 10**9 + nanoseconds


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
