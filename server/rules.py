"""Rules of single fields: each names every way in which a value breaks it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from protos.recommender.v1.attribute_pb2 import AttributeValue
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.recommendation_service_pb2 import Explain
from recsys.attribution import LONGEST_ATTRIBUTION_TOKEN
from recsys.decay import DAY_S
from recsys.errors import FilterError, Violation
from recsys.recent import SEARCH
from server.clock import wall_time

LONGEST_ID = 128
LONGEST_PLATFORM = 32
LONGEST_QUERY = 512
LONGEST_EVENT_ID = 256
LONGEST_EVENT_TYPE = 64
LONGEST_CURRENCY_CODE = 8
MOST_RECENT = 200
MOST_LABELS = 64
LONGEST_LABEL_KEY = 64
LONGEST_LABEL_VALUE = 128
MOST_ATTRIBUTES = 64
LONGEST_ATTRIBUTE_NAME = 64
LONGEST_ATTRIBUTE = 1000
MOST_TEXTS = 100
# 1970-01-01 and the last second of 2100, UTC.
EARLIEST_AT, LATEST_AT = 0, 4_133_980_799

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# As in a rebuild: control characters, line separators, and the mark decoding leaves where bytes were no text.
_NOT_IN_IDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")
# What people type or paste has tabs and ends of lines in it.
_NOT_IN_WORDS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

Rule = Callable[[str, Any], Iterator[Violation]]
Fits = Callable[[str], object]


def free(_field: str, _value: Any) -> Iterator[Violation]:
    """Every value is fine."""
    return iter(())


def at_least(lowest: int) -> Rule:
    def rule(field: str, value: int) -> Iterator[Violation]:
        if value < lowest:
            yield Violation(field, f"{field} must be at least {lowest}, got {value}")

    return rule


def text(longest: int, *, required: bool = False) -> Rule:
    def rule(field: str, value: str) -> Iterator[Violation]:
        if required and not value:
            yield Violation(field, f"{field} must not be empty")
        elif len(value) > longest:
            yield Violation(field, f"{field} must be at most {longest} characters, got {len(value)}")

    return rule


def id_text(longest: int, *, required: bool = False) -> Rule:
    """Of an id, or another name, that is kept."""
    return _kept(longest, _NOT_IN_IDS, "control characters, line separators or U+FFFD", required=required)


def words(longest: int) -> Rule:
    """Of a text by a person that is kept."""
    return _kept(longest, _NOT_IN_WORDS, "control characters other than tabs and ends of lines", required=False)


def _kept(longest: int, unfit: re.Pattern[str], named: str, *, required: bool) -> Rule:
    plain = text(longest, required=required)

    def rule(field: str, value: str) -> Iterator[Violation]:
        yield from plain(field, value)
        if unfit.search(value):
            yield Violation(field, f"{field} must not hold {named}")
        elif value and not value.strip():
            yield Violation(field, f"{field} must not be blank")

    return rule


def entries(most: int) -> Rule:
    """Of a repeated field whose entries are looked at one by one elsewhere."""

    def rule(field: str, values: Any) -> Iterator[Violation]:
        if len(values) > most:
            yield Violation(field, f"{field} must have at most {most} entries, got {len(values)}")

    return rule


def slug(longest: int) -> Rule:
    def rule(field: str, value: str) -> Iterator[Violation]:
        if len(value) > longest:
            yield Violation(field, f"{field} must be at most {longest} characters, got {len(value)}")
        elif value and not _SLUG.fullmatch(value):
            yield Violation(field, f'{field} must be letters, digits, ".", "_" and "-" after a letter or digit')

    return rule


def ids(most: int) -> Rule:
    def rule(field: str, values: Any) -> Iterator[Violation]:
        if len(values) > most:
            yield Violation(field, f"{field} must have at most {most} entries, got {len(values)}")
            return
        for position, value in enumerate(values):
            if len(value) > LONGEST_ID:
                name = f"{field}[{position}]"
                yield Violation(name, f"{name} must be at most {LONGEST_ID} characters, got {len(value)}")

    return rule


def labels(field: str, values: Mapping[str, str]) -> Iterator[Violation]:
    if len(values) > MOST_LABELS:
        yield Violation(field, f"{field} must have at most {MOST_LABELS} entries, got {len(values)}")
        return
    # Maps have no order on the wire; sorted, the same request gives the same message.
    for key in sorted(values):
        if not 1 <= len(key) <= LONGEST_LABEL_KEY:
            yield Violation(field, f"keys of {field} must have 1 to {LONGEST_LABEL_KEY} characters, got {len(key)}")
        elif len(values[key]) > LONGEST_LABEL_VALUE:
            expected = f"must be at most {LONGEST_LABEL_VALUE} characters, got {len(values[key])}"
            yield Violation(f"{field}.{key}", f"{field}.{key} {expected}")


def explain(field: str, value: int) -> Iterator[Violation]:
    if value not in Explain.values():
        yield Violation(field, f"{field} must be one of {', '.join(Explain.keys())}, got {value}")


def moment(field: str, value: Any) -> Iterator[Violation]:
    # An absent Timestamp reads as 1970-01-01, which is allowed.
    if not EARLIEST_AT <= value.seconds <= LATEST_AT:
        yield Violation(field, f"{field} must be within the years 1970 to 2100, got {value.seconds} s")
    elif not 0 <= value.nanos < 1_000_000_000:
        yield Violation(field, f"{field}.nanos must be within 0 to 999999999, got {value.nanos}")


def share(field: str, value: float) -> Iterator[Violation]:
    if not 0 <= value <= 1:
        yield Violation(field, f"{field} must be within 0 to 1, got {value:g}")


def amount(field: str, value: float) -> Iterator[Violation]:
    if not 0 <= value < math.inf:
        yield Violation(field, f"{field} must be finite and at least 0, got {value:g}")


def finite(field: str, value: float) -> Iterator[Violation]:
    if not math.isfinite(value):
        yield Violation(field, f"{field} must be finite, got {value:g}")


def not_far_ahead(field: str, value: Any) -> Iterator[Violation]:
    yield from moment(field, value)
    latest = wall_time() + DAY_S
    if latest < value.seconds <= LATEST_AT:
        yield Violation(field, f"{field} must be at most a day ahead of the server's clock, got {value.seconds} s")


EVENT: Mapping[str, Rule] = {
    "event_id": text(LONGEST_EVENT_ID),
    "event_type": text(LONGEST_EVENT_TYPE, required=True),
    "user_id": text(LONGEST_ID),
    "visitor_id": text(LONGEST_ID),
    "item_id": text(LONGEST_ID),
    "timestamp": not_far_ahead,
    "quantity": amount,
    "price": amount,
    "currency_code": text(LONGEST_CURRENCY_CODE),
    "session_id": text(LONGEST_ID),
    "query": text(LONGEST_QUERY),
    "platform": slug(LONGEST_PLATFORM),
    "attribution_token": text(LONGEST_ATTRIBUTION_TOKEN),
    "value": finite,
}
# What is kept goes into the tables of the next rebuild, which takes no blank and no garbled ids.
_WRITTEN = {
    "event_id": LONGEST_EVENT_ID,
    "user_id": LONGEST_ID,
    "visitor_id": LONGEST_ID,
    "item_id": LONGEST_ID,
    "currency_code": LONGEST_CURRENCY_CODE,
    "session_id": LONGEST_ID,
}
WRITTEN_EVENT: Mapping[str, Rule] = {
    **EVENT,
    **{name: id_text(longest) for name, longest in _WRITTEN.items()},
    "event_type": id_text(LONGEST_EVENT_TYPE, required=True),
    "query": words(LONGEST_QUERY),
}


# Of texts that may hold anything printable.
_PLAIN = {**_WRITTEN, "event_type": LONGEST_EVENT_TYPE, "query": LONGEST_QUERY}


def recent_events(field: str, values: Any) -> Iterator[Violation]:
    if len(values) > MOST_RECENT:
        yield Violation(field, f"{field} must have at most {MOST_RECENT} entries, got {len(values)}")
        return
    for position, event in enumerate(values):
        yield from of_event(f"{field}[{position}]", event, EVENT)


def of_event(name: str, event: Event, rules: Mapping[str, Rule]) -> Iterator[Violation]:
    """What is wrong with the event at path ``name`` by ``rules``, and that an item or words are lacking."""
    # What is not given breaks no rule but that it must be, and few events hold anything but short plain words.
    if not event.event_type:
        asked = {*rules}
    else:
        asked = {field.name for field, value in event.ListFields() if not _is_plain(field.name, value)}
    if asked:
        for part, rule in rules.items():
            if part in asked:
                yield from rule(f"{name}.{part}", getattr(event, part))
    needed = "query" if event.event_type == SEARCH else "item_id"
    if event.event_type and not getattr(event, needed):
        yield Violation(f"{name}.{needed}", f"{name}.{needed} must not be empty, for its type is {event.event_type!r}")


def _is_plain(part: str, value: Any) -> bool:
    """Whether the part ``part`` of an event is a text that keeps every rule there is for it, told in one look."""
    longest = _PLAIN.get(part)
    return (
        longest is not None
        and len(value) <= longest
        and value.isascii()
        and value.isprintable()
        and not value.isspace()
    )


def attributes(*kinds: str) -> Rule:
    """Of attributes that are of one of ``kinds`` each."""

    def rule(field: str, values: Mapping[str, AttributeValue]) -> Iterator[Violation]:
        if len(values) > MOST_ATTRIBUTES:
            yield Violation(field, f"{field} must have at most {MOST_ATTRIBUTES} entries, got {len(values)}")
            return
        for name in sorted(values):
            path, kind = f"{field}.{name[:LONGEST_ATTRIBUTE_NAME]}", values[name].WhichOneof("kind")
            if not 1 <= len(name) <= LONGEST_ATTRIBUTE_NAME:
                yield Violation(
                    field, f"names in {field} must have 1 to {LONGEST_ATTRIBUTE_NAME} characters, got {len(name)}"
                )
            if kind in kinds:
                yield from attribute(path, values[name])
            else:
                yield Violation(path, f"{path} must be one of {', '.join(kinds)}, got {kind or 'none'}")

    return rule


def attribute(field: str, value: AttributeValue) -> Iterator[Violation]:
    match value.WhichOneof("kind"):
        case "text":
            yield from text(LONGEST_ATTRIBUTE)(field, value.text)
        case "number":
            yield from finite(field, value.number)
        case "texts":
            yield from entries(MOST_TEXTS)(f"{field}.texts.values", value.texts.values)
            for position, entry in enumerate(value.texts.values[:MOST_TEXTS]):
                yield from text(LONGEST_ATTRIBUTE)(f"{field}.texts.values[{position}]", entry)


def filtering(fits: Fits) -> Rule:
    def rule(field: str, value: str) -> Iterator[Violation]:
        try:
            fits(value)
        except FilterError as error:
            yield Violation(field, f"{field}: {error}")

    return rule
