"""Page tokens by themselves: what they hold, how long they are good, and which arguments may come beside them."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from protos.recommender.v1.recommendation_service_pb2 import Explain, RecommendRequest
from recsys.errors import InvalidRequest
from recsys.sealing import Seal
from server.number_sets import packed, unpacked
from server.page_tokens import (
    LIFETIME_S,
    LONGEST_PAGE_TOKEN,
    MOST_CARRIED,
    PURPOSE,
    Continuation,
    PageTokens,
    continued,
)

KEYS = (bytes(range(32)),)
VERSION = "20261124T183237Z-149f3bdbb567"
LIST: dict[str, Any] = {
    "user_id": "user-03",
    "serving_config": "home",
    "page_size": 7,
    "exclude_item_ids": ["b", "a"],
    "explain": Explain.EXPLAIN_NONE,
    "at": Timestamp(seconds=5),
    "return_items": True,
}
SHOWN = [70_000, 0, 3]
MANY = [f"{i * 7919 % 1_000_003:x}-{i * 104_729 % 1_000_003:x}" for i in range(1000)]


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000

    def __call__(self) -> int:
        return self.time


def token_of(clock: Clock, **values: Any) -> str:
    return PageTokens(KEYS, clock).issue(version=VERSION, shown=SHOWN, request=RecommendRequest(**{**LIST, **values}))


def opened(**values: Any) -> Continuation:
    clock = Clock()
    return PageTokens(KEYS, clock).opened(token_of(clock, **values))


def refusal(continuation: Continuation, **arguments: Any) -> str:
    with pytest.raises(InvalidRequest) as raised:
        continued(continuation, RecommendRequest(page_token="t", **arguments))
    (violation,) = raised.value.violations
    assert violation.field == "page_token"
    return violation.description


def test_a_token_brings_everything_about_the_list_back_and_nothing_about_the_page() -> None:
    continuation = opened(page_token="x", labels={"k": "v"}, platform="app", validate_only=True)

    assert continuation == Continuation(VERSION, (0, 3, 70_000), 0, RecommendRequest(**LIST), "")


def test_it_is_good_for_half_an_hour_and_not_a_second_longer() -> None:
    clock = Clock()
    token = token_of(clock)
    clock.time += LIFETIME_S
    assert PageTokens(KEYS, clock).opened(token).age_s == LIFETIME_S == 1800

    clock.time += 1
    with pytest.raises(InvalidRequest) as raised:
        PageTokens(KEYS, clock).opened(token)
    assert str(raised.value) == "page_token is 1801 s old and good for 1800 s: begin the list again"


def test_a_server_whose_clock_is_behind_takes_it() -> None:
    clock = Clock()
    token = token_of(clock)
    clock.time -= 90

    assert PageTokens(KEYS, clock).opened(token).age_s == -90


@pytest.mark.parametrize("n_excluded", [0, 1, 30, 100, 200, 400, 1000])
def test_it_is_bounded_whatever_the_arguments_are(n_excluded: int) -> None:
    clock = Clock()
    token = token_of(clock, exclude_item_ids=MANY[:n_excluded])

    assert len(token) <= LONGEST_PAGE_TOKEN
    assert b"user-03" not in base64.urlsafe_b64decode(token)
    is_carried = PageTokens(KEYS, clock).opened(token).digest == ""
    body = zlib.compress(RecommendRequest(**{**LIST, "exclude_item_ids": MANY[:n_excluded]}).SerializeToString())
    assert is_carried == (len(body) <= MOST_CARRIED)
    assert is_carried == (n_excluded <= 200)


def test_the_largest_arguments_that_are_carried_fit() -> None:
    # A thousand items of as many as there can be, and a longer version than there is.
    numbers = packed(np.random.default_rng(1).integers(0, 2**31, 1000).tolist())
    head = json.dumps(["v" * 64, 2**40, "f" * 64, len(numbers)]).encode()

    assert 3000 < len(numbers) <= 3300
    assert len(Seal(KEYS, PURPOSE).sealed(head + b"\n" + numbers + b"x" * MOST_CARRIED)) <= LONGEST_PAGE_TOKEN
    assert len(token_of(Clock())) < 400


@given(st.sets(st.integers(0, 2**31 - 1), max_size=50) | st.sets(st.integers(0, 300), max_size=50))
def test_the_numbers_of_shown_items_come_back_in_order(numbers: set[int]) -> None:
    raw = packed(numbers)

    assert unpacked(raw) == tuple(sorted(numbers))
    assert len(raw) <= 3.2 * len(numbers) + 100


def test_a_token_alone_inherits_everything() -> None:
    assert continued(opened(), RecommendRequest(page_token="t")) == RecommendRequest(page_token="t", **LIST)


def test_arguments_that_are_repeated_are_fine_and_those_of_the_page_are_its_own() -> None:
    own = {"page_size": 9, "labels": {"a": "b"}, "platform": "web", "validate_only": True, "page_token": "t"}

    assert continued(opened(), RecommendRequest(**{**LIST, **own})) == RecommendRequest(**{**LIST, **own})


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": "user-04"},
        {"visitor_id": "v"},
        {"serving_config": "discover"},
        {"exclude_item_ids": ["a", "b"]},
        {"context_item_ids": ["a"]},
        {"include_out_of_stock": True},
        {"explain": Explain.EXPLAIN_SUMMARY},
        {"diversity": 0.5},
        {"diversity": 0.0},
        {"at": Timestamp(seconds=6)},
        {"at": Timestamp(seconds=5, nanos=1)},
    ],
)
@pytest.mark.parametrize("excluded", [["b", "a"], MANY])
def test_arguments_that_differ_are_named(other: dict[str, Any], excluded: list[str]) -> None:
    continuation = opened(exclude_item_ids=excluded)
    whole = continuation.digest == ""
    arguments = other if whole else {**LIST, "exclude_item_ids": excluded, **other}

    message = refusal(continuation, **arguments)

    (name,) = other
    if whole or name == "at":
        assert message == f"page_token continues a list with other arguments: repeat its {name}, or leave it out"
    else:
        assert message.startswith("page_token must come with all arguments of its list")


@pytest.mark.parametrize("excluded", [["b", "a"], MANY])
@pytest.mark.parametrize("strict", [True, False])
def test_without_a_filter_it_makes_no_difference_how_strict_it_is(excluded: list[str], strict: bool) -> None:
    continuation = opened(exclude_item_ids=excluded)
    arguments = RecommendRequest(page_token="t", **{**LIST, "exclude_item_ids": excluded}, strict_filtering=strict)
    arguments.ClearField("at")

    assert list(continued(continuation, arguments).exclude_item_ids) == excluded


@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize(("strict", "is_same"), [(True, True), (False, False)])
def test_with_a_filter_how_strict_it_is_belongs_to_the_list(filtered: bool, strict: bool, is_same: bool) -> None:
    continuation = opened(filter="price < 2", strict_filtering=True)
    arguments = {"filter": "price < 2"} if filtered else {}

    if is_same:
        assert continued(continuation, RecommendRequest(page_token="t", strict_filtering=strict, **arguments))
    else:
        assert "repeat its strict_filtering" in refusal(continuation, strict_filtering=strict, **arguments)


def test_every_argument_of_a_list_is_among_those_compared() -> None:
    page = {"page_size", "page_token", "labels", "platform", "validate_only"}
    compared = {"user_id", "visitor_id", "serving_config", "exclude_item_ids", "context_item_ids"}
    compared |= {"include_out_of_stock", "explain", "at", "return_items"}

    assert compared | page <= set(RecommendRequest.DESCRIPTOR.fields_by_name)
    assert "return_items" in refusal(opened(return_items=False), return_items=True)


def test_arguments_too_long_to_be_carried_must_be_repeated_but_for_the_time_and_the_defaults() -> None:
    continuation = opened(exclude_item_ids=MANY)
    assert continuation.digest
    assert refusal(continuation) == (
        "page_token must come with all arguments of its list, which are too long to be carried in it"
    )

    arguments = RecommendRequest(page_token="t", user_id="user-03", exclude_item_ids=MANY, return_items=True)

    request = continued(continuation, arguments)
    assert (request.at, request.page_size) == (Timestamp(seconds=5), 7)
    assert list(request.exclude_item_ids) == MANY
    arguments.page_size = 9
    assert continued(continuation, arguments).page_size == 9
