"""One row of an events table, as JSON Lines or a stream bring it, as an event for the state store."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from index.cells import EARLIEST, LATEST, LONGEST_ID
from index.state_tables import US
from recsys.recent import SEARCH
from recsys.stores.event_ids import derived_event_id, event_type_spelled
from recsys.stores.records import LiveEvent

TOKEN = "attribution_token"
# As long as the server takes them.
_LONGEST = {"event_id": 256, "event_type": 64, "currency_code": 8, "session_id": 128, "query": 512, "platform": 32}
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# As the server refuses them: in ids and names, and in words that a person typed.
_BAD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd\ud800-\udfff]")
_BAD_WORDS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD_US = 86_400 * US


class Unusable(Exception):
    """Why a row is no event; ``reason`` is one of cleaning's, or missing_query, text_too_long, bad_text, bad_platform,
    bad_attribution_token.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parsed_row(raw: bytes) -> dict[str, object]:
    """The JSON object in ``raw``. Unusable when it is none."""
    try:
        row = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unusable("malformed_row") from error
    if not isinstance(row, dict):
        raise Unusable("malformed_row")
    return row


def event_of(
    row: Mapping[str, object],
    *,
    now_us: int,
    else_us: int | None = None,
    request_id_of: Callable[[str], str | None] | None = None,
) -> LiveEvent:
    """The event of ``row``, with an id. Unusable when it breaks a rule.

    Columns are those of an events table and visitor_id, currency_code, request_id, attribution_token; others are left
    aside. now_us: what is more than a day ahead of it is a slip · else_us: when it was where the row does not say ·
    request_id_of: the answer that an attribution token stands for, None for one that was never given out; without it
    tokens are left aside too.
    """
    event_type = event_type_spelled(_text(row, "event_type"))
    user_id, visitor_id, item_id = (_id(row, name) for name in ("user_id", "visitor_id", "item_id"))
    query = _text(row, "query")
    if not user_id and not visitor_id:
        raise Unusable("missing_user_id")
    if not event_type:
        raise Unusable("missing_event_type")
    if event_type == SEARCH and not query:
        raise Unusable("missing_query")
    if event_type != SEARCH and not item_id:
        raise Unusable("missing_item_id")
    platform = _text(row, "platform")
    if platform and not _SLUG.fullmatch(platform):
        raise Unusable("bad_platform")
    event = LiveEvent(
        event_id=_text(row, "event_id"),
        event_type=event_type,
        time_us=_time_us(row.get("timestamp"), now_us, else_us),
        user_id=user_id,
        visitor_id=visitor_id,
        item_id=item_id,
        quantity=_amount(row, "quantity"),
        price=_amount(row, "price"),
        currency_code=_text(row, "currency_code"),
        session_id=_text(row, "session_id"),
        query=query,
        platform=platform,
        value=_number(row.get("value")),
        request_id=_request_id(row, request_id_of),
    )
    return event if event.event_id else replace(event, event_id=derived_event_id(event))


def _request_id(row: Mapping[str, object], request_id_of: Callable[[str], str | None] | None) -> str:
    token = "" if request_id_of is None else _spelled(row.get(TOKEN))
    if request_id_of is None or not token:
        return _text(row, "request_id")
    request_id = request_id_of(token)
    if request_id is None:
        raise Unusable("bad_attribution_token")
    return request_id


def _spelled(value: object) -> str:
    """A cell as text; whole numbers without ``.0``, blank and null are ""."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise Unusable("malformed_row")
    if isinstance(value, float):
        value = str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    text = "" if value is None else str(value)
    return text if text.strip() else ""


def _text(row: Mapping[str, object], name: str) -> str:
    text = _spelled(row.get(name))
    if len(text) > _LONGEST.get(name, LONGEST_ID):
        raise Unusable("text_too_long")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unusable("malformed_row") from error
    if (_BAD_WORDS if name == "query" else _BAD).search(text):
        raise Unusable("bad_id" if name.endswith("_id") else "bad_text")
    return text


def _id(row: Mapping[str, object], name: str) -> str:
    id = _spelled(row.get(name))
    if len(id) > LONGEST_ID:
        raise Unusable("id_too_long")
    if _BAD.search(id):
        raise Unusable("bad_id")
    return id


def _number(value: object) -> float | None:
    try:
        spelled = _spelled(value).strip()
        number = float(spelled) if spelled else None
    except (ValueError, Unusable) as error:
        raise Unusable("bad_number") from error
    if number is not None and not math.isfinite(number):
        raise Unusable("bad_number")
    return number


def _amount(row: Mapping[str, object], name: str) -> float | None:
    number = _number(row.get(name))
    if number is not None and number < 0:
        raise Unusable(f"negative_{name}")
    return number


def _time_us(value: object, now_us: int, else_us: int | None) -> int:
    try:
        spelled = (repr(value) if isinstance(value, float) else _spelled(value)).strip()
        time_us = _microseconds(spelled) if spelled else else_us
    except (ValueError, OverflowError, InvalidOperation, Unusable) as error:
        raise Unusable("bad_time") from error
    if time_us is None or not EARLIEST * US <= time_us < LATEST * US:
        raise Unusable("bad_time")
    if time_us > now_us + _AHEAD_US:
        raise Unusable("far_future")
    return time_us


def _microseconds(spelled: str) -> int:
    try:
        seconds = Decimal(spelled)
    except InvalidOperation:
        moment = datetime.fromisoformat(spelled)
    else:
        # Compared first: as a whole number 1E999999 would take minutes.
        return int(seconds * US) if EARLIEST <= seconds < LATEST else -1
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
