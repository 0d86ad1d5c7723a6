"""Filters of purges: what they mean, and where they are wrong."""

from __future__ import annotations

import pytest

from recsys.errors import FilterError
from recsys.stores.records import EventFilter
from server.purges import event_filter


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("*", EventFilter()),
        ('user_id = "7"', EventFilter(user_id="7")),
        ("visitor_id = a AND item_id = 'b c' event_type = view", EventFilter(None, "a", "view", "b c")),
        ('timestamp < "1970-01-01T00:00:01Z"', EventFilter(until_us=1_000_000)),
        ("timestamp <= 1970-01-01T01:00:01.5+01:00", EventFilter(until_us=1_500_001)),
        ("timestamp > 1970-01-01T00:00:01", EventFilter(since_us=1_000_001)),
        (
            "timestamp >= 1970-01-01T00:00:01Z timestamp >= 1970-01-01T00:00:02Z (timestamp < 2100-01-01T00:00:00Z)",
            EventFilter(since_us=2_000_000, until_us=4_102_444_800_000_000),
        ),
    ],
)
def test_conditions_are_read(text: str, meant: EventFilter) -> None:
    assert event_filter(text) == meant


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 0, "must not be empty"),
        ("  ", 0, "must not be empty"),
        ('"*"', 0, "is no condition"),
        ("user_id = a AND tea", 16, '"tea" is no condition'),
        ("* AND user_id = a", 0, '"*" is no condition'),
        ("user_id = a OR user_id = b", 0, "OR and NOT"),
        ("item_id = b AND NOT user_id = a", 20, "OR and NOT"),
        ("user_id != a", 0, '"user_id" != is no condition'),
        ("item_id = b user_id > a", 12, '"user_id" > is no condition'),
        ("price = 2", 0, '"price" = is no condition'),
        ("timestamp = 2026-01-01T00:00:00Z", 0, '"timestamp" = is no condition'),
        ("timestamp < yesterday", 12, '"yesterday" is no time'),
        ("timestamp < 2026-01-01", 12, '"2026-01-01" is no time'),
        ("timestamp < 2026-13-01T00:00:00Z", 12, "is no time"),
        ("user_id = a*", 10, "a * stands for nothing"),
        ("user_id = a AND user_id = b", 16, "must be compared once"),
        ("user_id =", 9, "ends too early"),
    ],
)
def test_everything_else_is_refused_by_its_position(text: str, position: int, problem: str) -> None:
    with pytest.raises(FilterError) as raised:
        event_filter(text)

    assert raised.value.position == position
    assert problem in str(raised.value)
