from __future__ import annotations

import struct
from dataclasses import fields, replace

import pytest

from recsys.stores.event_ids import derived_event_id, is_derived
from recsys.stores.records import LiveEvent

EVENT = LiveEvent(
    event_id="",
    event_type="purchase",
    time_us=1_700_000_000_123_456,
    user_id="u1",
    visitor_id="c1",
    item_id="i1",
    quantity=1.0,
    price=2.5,
    currency_code="EUR",
    session_id="s1",
    query="",
    platform="app",
    value=4.0,
)
OTHERS = {"event_id": "given", "request_id": "r1"}


def test_the_same_content_has_the_same_id_today_and_in_ten_years() -> None:
    assert derived_event_id(EVENT) == "sha256:0b3d7a8a34a6903e2e2ef95d4caa1a19bd807ff97f5b4bfbe236bf0ca8406c75"
    assert is_derived(derived_event_id(EVENT))
    assert not is_derived("given")


@pytest.mark.parametrize("name", [field.name for field in fields(LiveEvent) if field.name not in OTHERS])
def test_whatever_else_was_done_has_another_id(name: str) -> None:
    value = getattr(EVENT, name)
    other = f"{value}x" if isinstance(value, str) else value + 1
    assert derived_event_id(replace(EVENT, **{name: other})) != derived_event_id(EVENT)


@pytest.mark.parametrize("name", OTHERS)
def test_the_given_id_and_the_answer_it_follows_from_do_not_matter(name: str) -> None:
    assert derived_event_id(replace(EVENT, **{name: OTHERS[name]})) == derived_event_id(EVENT)


def test_a_number_that_came_in_single_precision_is_the_number_that_was_written() -> None:
    single = struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert single != 0.1
    assert derived_event_id(replace(EVENT, price=single)) == derived_event_id(replace(EVENT, price=0.1))


def test_a_type_is_the_same_however_it_is_spelled() -> None:
    spelled = (derived_event_id(replace(EVENT, event_type=name)) for name in ("Add-To Cart", "add_to_cart"))
    assert len(set(spelled)) == 1


def test_a_field_cannot_run_into_the_next() -> None:
    one, other = replace(EVENT, session_id="a", query="b"), replace(EVENT, session_id="ab", query="")
    assert derived_event_id(one) != derived_event_id(other)
