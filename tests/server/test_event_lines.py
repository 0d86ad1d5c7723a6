"""Lines that a person writes, as events."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.event_pb2 import Event
from recsys.errors import InputError
from server.event_lines import event_of


def test_names_are_those_of_the_wire_in_either_spelling_and_null_is_not_given() -> None:
    wanted = Event(user_id="u", item_id="i", event_type="view", quantity=2, currency_code="EUR")
    assert (
        event_of({"user_id": "u", "item_id": "i", "event_type": "view", "quantity": 2, "currency_code": "EUR"})
        == wanted
    )
    assert (
        event_of(
            {"userId": "u", "itemId": "i", "eventType": "view", "quantity": "2", "currencyCode": "EUR", "price": None}
        )
        == wanted
    )


@pytest.mark.parametrize(
    "told",
    [
        1512086400,
        1512086400.0,
        "2017-12-01",
        "2017-12-01T00:00:00",
        "2017-12-01T00:00:00Z",
        "2017-12-01 01:00:00+01:00",
    ],
)
def test_a_time_is_epoch_seconds_or_iso_8601_without_a_zone_utc(told: Any) -> None:
    assert event_of({"timestamp": told}).timestamp == Timestamp(seconds=1512086400)


def test_parts_of_a_second_stay() -> None:
    assert event_of({"timestamp": 1.5}).timestamp == Timestamp(seconds=1, nanos=500_000_000)
    assert event_of({"timestamp": "1970-01-01T00:00:01.250001"}).timestamp == Timestamp(seconds=1, nanos=250_001_000)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([1], "a line must be an object"),
        ({"user": "u"}, "unknown field 'user': an event has event_id, event_type, user_id,"),
        ({"user_id": 5}, "user_id must be text, got 5"),
        ({"user_id": "\ud800"}, "user_id must be valid Unicode"),
        ({"quantity": "two"}, "quantity must be a number, got 'two'"),
        ({"price": True}, "price must be a number, got True"),
        ({"value": float("nan")}, "value must be a number, got nan"),
        (
            {"timestamp": "yesterday"},
            "timestamp must be epoch seconds or a time such as 2026-01-31T08:00:00Z, got 'yest",
        ),
        ({"timestamp": 1e30}, "timestamp must be epoch seconds"),
        ({"timestamp": float("nan")}, "timestamp must be epoch seconds"),
        ({"timestamp": True}, "timestamp must be epoch seconds"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp must be epoch seconds"),
        ({"timestamp": "9999-12-31T23:59:59-12:00"}, "timestamp must be epoch seconds"),
        ({"item_id": "a", "itemId": "b"}, "item_id and itemId are the same field"),
        ({"quantity": "1_000"}, "quantity must be a number, got '1_000'"),
        ({"quantity": "٣"}, "quantity must be a number"),
        ({"quantity": 10**400}, "quantity must be a number"),
        ({"x" * 100: 1}, "xxx…"),
        ({"timestamp": ["x" * 100]}, "xxx…"),
    ],
)
def test_what_is_wrong_is_said_by_field(fields: Any, said: str) -> None:
    with pytest.raises(InputError) as told:
        event_of(fields)
    assert said in str(told.value)
