"""Rows as events: every way a row can be wrong has a reason, and every way a cell is written reads the same."""

from __future__ import annotations

from typing import Any

import pytest

from index.event_rows import Unusable, event_of, parsed_row
from recsys.stores.event_ids import derived_event_id
from recsys.stores.records import LiveEvent

NOW_US = 1_800_000_000_000_000
AT = 1_700_000_000
ROW: dict[str, Any] = {"user_id": "u1", "item_id": "i1", "event_type": "view", "timestamp": AT}


def event(**cells: Any) -> LiveEvent:
    return event_of({**ROW, **cells}, now_us=NOW_US)


def reason(**cells: Any) -> str:
    with pytest.raises(Unusable) as refused:
        event(**cells)
    return refused.value.reason


def test_a_row_is_an_event_with_an_id_of_its_content() -> None:
    made = event(quantity=2, price="3.50", session_id=7, platform="app", visitor_id="c1", colour="red")
    assert (made.user_id, made.item_id, made.event_type, made.time_us) == ("u1", "i1", "view", AT * 1_000_000)
    assert (made.quantity, made.price, made.session_id, made.visitor_id) == (2.0, 3.5, "7", "c1")
    assert made.event_id == derived_event_id(made)
    assert event(event_id="mine").event_id == "mine"


@pytest.mark.parametrize(
    ("written", "time_us"),
    [
        (AT, 1_700_000_000_000_000),
        (AT + 0.25, 1_700_000_000_250_000),
        (1700000000.123456, 1_700_000_000_123_456),
        ("1700000000.123456", 1_700_000_000_123_456),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000_500_000),
        ("2023-11-14 22:13:20", 1_700_000_000_000_000),
        ("2023-11-14", 1_699_920_000_000_000),
    ],
)
def test_times_are_epoch_seconds_or_iso_and_utc_where_they_do_not_say(written: Any, time_us: int) -> None:
    assert event(timestamp=written).time_us == time_us


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"user_id": None}, "missing_user_id"),
        ({"user_id": " "}, "missing_user_id"),
        ({"item_id": ""}, "missing_item_id"),
        ({"event_type": None}, "missing_event_type"),
        ({"event_type": "search"}, "missing_query"),
        ({"user_id": "u" * 129}, "id_too_long"),
        ({"item_id": "a\x00b"}, "bad_id"),
        ({"item_id": "\ud800"}, "bad_id"),
        ({"session_id": "\ud800"}, "malformed_row"),
        ({"item_id": ["i1"]}, "malformed_row"),
        ({"item_id": True}, "malformed_row"),
        ({"timestamp": None}, "bad_time"),
        ({"timestamp": "yesterday"}, "bad_time"),
        ({"timestamp": -1}, "bad_time"),
        ({"timestamp": AT * 1000}, "bad_time"),
        ({"timestamp": "1e999999999"}, "bad_time"),
        ({"timestamp": float("nan")}, "bad_time"),
        ({"timestamp": [AT]}, "bad_time"),
        ({"timestamp": 1_800_000_000 + 86_401}, "far_future"),
        ({"quantity": "many"}, "bad_number"),
        ({"value": float("inf")}, "bad_number"),
        ({"price": {}}, "bad_number"),
        ({"price": -1}, "negative_price"),
        ({"quantity": -0.5}, "negative_quantity"),
        ({"query": "q" * 513}, "text_too_long"),
        ({"platform": "my app"}, "bad_platform"),
        ({"event_type": "view\n"}, "bad_text"),
        ({"event_type": " "}, "missing_event_type"),
        ({"session_id": "a\x7f"}, "bad_id"),
        ({"event_id": "a\u2028b"}, "bad_id"),
        ({"query": "green\x00tea"}, "bad_text"),
        ({"currency_code": "E\tR"}, "bad_text"),
        ({"event_type": "search", "query": " "}, "missing_query"),
    ],
)
def test_a_row_that_breaks_a_rule_says_which(cells: dict[str, Any], why: str) -> None:
    assert reason(**cells) == why


def test_a_visitor_alone_will_do_and_a_search_needs_no_item() -> None:
    assert event(user_id=None, visitor_id="c1").visitor_id == "c1"
    assert event(event_type="Search", item_id=None, query="tea").query == "tea"


def test_whole_numbers_are_ids_without_a_point_zero() -> None:
    assert event(user_id=7, item_id=12.0).user_id == "7"
    assert event(user_id=7, item_id=12.0).item_id == "12"


def test_a_row_without_a_time_is_of_when_it_came_where_that_is_known() -> None:
    row = {name: value for name, value in ROW.items() if name != "timestamp"}
    assert event_of(row, now_us=NOW_US, else_us=AT * 1_000_000).time_us == AT * 1_000_000


@pytest.mark.parametrize("raw", [b"", b"[]", b"7", b'{"a":', b"\xff{}", b"[" * 100_000, b"{'a': 1}"])
def test_what_is_no_json_object_is_a_malformed_row(raw: bytes) -> None:
    with pytest.raises(Unusable, match="malformed_row"):
        parsed_row(raw)


def test_a_number_of_a_million_digits_is_malformed_and_soon_so() -> None:
    with pytest.raises(Unusable, match="malformed_row"):
        parsed_row(b'{"user_id": ' + b"7" * 1_000_000 + b"}")
