"""Events over the wire: what is kept, what is refused, and what a retry does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from index.event_rows import Unusable, event_of
from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import PurgeEventsRequest, WriteEventsRequest
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.user_service_pb2 import DeleteUserRequest
from protos.recommender.v1.user_service_pb2_grpc import UserServiceStub
from recsys.attribution import Attributions
from recsys.errors import InvalidRequest
from recsys.sealing import keys_of
from recsys.stores.event_ids import DERIVED
from recsys.stores.opening import open_state
from server.clock import wall_time
from server.live_events import live_event

from .stateful import Shop, Shops, bought, viewed
from .tiny_shop import LAST_EVENT_AT

NEW = "somebody new"
ROW = {"event_type": "purchase", "user_id": "a", "item_id": "1-i57", "timestamp": LAST_EVENT_AT}


def violations(status: Status) -> list[tuple[str, str]]:
    (detail,) = [detail for detail in status.details if detail.Is(BadRequest.DESCRIPTOR)]
    broken = BadRequest()
    detail.Unpack(broken)
    return [(one.field, one.description) for one in broken.field_violations]


def counts(answer: Any) -> tuple[int, int, int]:
    return answer.n_written, answer.n_duplicate, answer.n_unjoined


def kept(shop: Shop) -> list[Any]:
    state = open_state(str(shop.state))
    events, _ = state.events.since(0, 1000)
    state.close()
    return events


def test_each_event_has_its_status_and_bad_ones_keep_no_good_one_out(shop: Shops) -> None:
    running = shop()
    answer = running.write(
        bought(user_id="a"),
        Event(user_id="a", price=-1, platform="a b"),
        bought(item_id="never heard of", user_id="a"),
        Event(event_type="search", query="tea", visitor_id="v"),
        bought(),
    )

    assert [status.code for status in answer.statuses] == [Code.OK, 3, Code.OK, Code.OK, 3]
    assert [field for field, _ in violations(answer.statuses[1])] == [
        "events[1].event_type",
        "events[1].price",
        "events[1].platform",
    ]
    assert violations(answer.statuses[4]) == [
        ("events[4].user_id", "events[4].user_id must not be empty where visitor_id is")
    ]
    assert counts(answer) == (3, 0, 1)
    assert [event.item_id for event in kept(running)] == ["1-i57", "never heard of", ""]


def test_no_events_are_fine_and_too_many_are_refused(shop: Shops, failure_of: Callable[..., Any]) -> None:
    running = shop()
    failure = failure_of(lambda: running.write(*[bought(user_id="a")] * 1001))

    assert counts(running.write()) == (0, 0, 0)
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.message == "events must have at most 1000 entries, got 1001"


def test_what_is_written_again_is_a_duplicate_by_its_id_or_else_by_its_content(shop: Shops) -> None:
    running = shop()
    named = bought(user_id="a", event_id="e1")
    unnamed = bought(user_id="a", timestamp=Timestamp(seconds=LAST_EVENT_AT, nanos=5000))
    later = bought(user_id="a", timestamp=Timestamp(seconds=LAST_EVENT_AT, nanos=6000))
    others = bought(user_id="b", timestamp=unnamed.timestamp)

    assert counts(running.write(named, unnamed)) == (2, 0, 0)
    assert counts(running.write(named, unnamed)) == (0, 2, 0)
    assert counts(running.write(later, others, others)) == (2, 1, 0)
    events = kept(running)
    assert events[0].event_id == "e1"
    assert all(event.event_id.startswith(DERIVED) for event in events[1:])
    assert events[1].time_us == LAST_EVENT_AT * 1_000_000 + 5


def test_an_event_of_a_stream_and_of_a_client_have_one_id(shop: Shops) -> None:
    """Prices travel in single precision, and in files they do not."""
    running = shop()
    row = {"user_id": "a", "item_id": "1-i57", "event_type": "add-to-cart", "timestamp": LAST_EVENT_AT + 0.25}
    numbers = {"quantity": 3, "price": 0.1, "value": 0.7}
    sent = Timestamp(seconds=LAST_EVENT_AT, nanos=250_000_000)
    running.write(bought(user_id="a", event_type="add-to-cart", timestamp=sent, **numbers))
    assert kept(running)[0].event_id == event_of({**row, **numbers}, now_us=LAST_EVENT_AT * 1_000_000).event_id


def test_a_day_ahead_is_counted_from_the_wall_clock_whatever_answers_take_for_now(shop: Shops) -> None:
    running = shop(clock="snapshot")
    now = wall_time()
    answer = running.write(
        bought(user_id="a", timestamp=Timestamp(seconds=now + 80_000)),
        bought(user_id="a", timestamp=Timestamp(seconds=now + 90_000)),
    )

    assert [status.code for status in answer.statuses] == [Code.OK, Code.INVALID_ARGUMENT]
    assert "at most a day ahead" in violations(answer.statuses[1])[0][1]


def test_an_event_without_a_time_is_of_now_by_the_clock_of_answers(shop: Shops) -> None:
    running = shop(clock="snapshot")
    running.write(bought(user_id="a"))

    assert 0 < kept(running)[0].time_us - LAST_EVENT_AT * 1_000_000 < 3_600 * 1_000_000


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("item_id", "a\0b", "must not hold control characters, line separators or U+FFFD"),
        ("user_id", "a\n", "must not hold control characters, line separators or U+FFFD"),
        ("user_id", " \u3000", "must not be blank"),
        ("visitor_id", "a\u2028b", "must not hold control characters, line separators or U+FFFD"),
        ("visitor_id", "  ", "must not be blank"),
        ("event_id", "\x7f", "must not hold control characters, line separators or U+FFFD"),
        ("event_id", " ", "must not be blank"),
        ("event_type", "view\x85", "must not hold control characters, line separators or U+FFFD"),
        ("event_type", "  ", "must not be blank"),
        ("session_id", "s\ufffd", "must not hold control characters, line separators or U+FFFD"),
        ("session_id", " ", "must not be blank"),
        ("currency_code", "E\tR", "must not hold control characters, line separators or U+FFFD"),
        ("query", "green\0tea", "must not hold control characters other than tabs and ends of lines"),
        ("query", "\n", "must not be blank"),
    ],
)
def test_what_no_rebuild_would_take_for_a_name_is_refused_by_its_field(field: str, value: str, why: str) -> None:
    event = bought(**{"user_id": "a", field: value})
    with pytest.raises(InvalidRequest) as refused:
        live_event("events[3]", event, now_us=1, request_id_of=lambda _: None)

    path = f"events[3].{field}"
    assert [(one.field, one.description) for one in refused.value.violations] == [(path, f"{path} {why}")]
    # What a stream brings is held to the same, but that blank cells are empty ones.
    if value.strip():
        with pytest.raises(Unusable):
            event_of({**ROW, field: value}, now_us=LAST_EVENT_AT * 1_000_000)


def test_every_name_that_is_refused_is_told_and_keeps_no_other_event_out(shop: Shops) -> None:
    running = shop()
    garbled = Event(event_type="\x01", user_id="a\n", item_id="a\0b", event_id="\x7f", session_id="  ", query="\x1b")
    answer = running.write(garbled, bought(user_id="a"))

    assert [field for field, _ in violations(answer.statuses[0])] == [
        f"events[0].{field}" for field in ("event_id", "event_type", "user_id", "item_id", "session_id", "query")
    ]
    assert [event.user_id for event in kept(running)] == ["a"]


def test_words_as_people_paste_them_are_kept_as_they_are(shop: Shops) -> None:
    running = shop()
    pasted = "green tea,\tloose\r\n茶"
    answer = running.write(Event(event_type="search", query=pasted, user_id="a"))

    assert counts(answer) == (1, 0, 0)
    assert kept(running)[0].query == pasted
    assert event_of({**ROW, "query": pasted}, now_us=LAST_EVENT_AT * 1_000_000).query == pasted


def test_an_attribution_token_says_which_answer_it_was_and_a_forged_one_is_refused(shop: Shops) -> None:
    running = shop()
    answer = running.recommend(user_id="user-03")
    forged = Attributions(keys_of("00" * 32), wall_time).issue(
        snapshot_version="v", serving_config="home", request_id="r", served_by=pb.SERVED_BY_POPULAR
    )
    written = running.write(
        bought(user_id="user-03", attribution_token=answer.attribution_token),
        bought(user_id="user-03", attribution_token=forged),
    )

    assert [event.request_id for event in kept(running)] == [answer.request_id]
    assert violations(written.statuses[1]) == [
        (
            "events[1].attribution_token",
            "events[1].attribution_token must be one that this server returned, unchanged",
        )
    ]


def test_a_purge_counts_first_and_deletes_when_it_is_told_to(shop: Shops) -> None:
    running = shop()
    stub = EventServiceStub(running.writer)
    running.write(bought(user_id="a"), viewed("1-i03", user_id="a"), viewed("1-i04", user_id="b"))
    of_a = 'user_id = "a" AND event_type = view'

    assert stub.PurgeEvents(PurgeEventsRequest(filter=of_a)).n_events == 1
    assert stub.PurgeEvents(PurgeEventsRequest(filter="*")).n_events == 3
    assert stub.PurgeEvents(PurgeEventsRequest(filter=of_a, force=True)).n_events == 1
    assert [event.item_id for event in kept(running)] == ["1-i57", "1-i04"]
    assert running.took(user_id="a") == {"1-i57"}


@pytest.mark.parametrize("text", ["", "price < 2", "user_id = a OR user_id = b"])
def test_a_purge_that_cannot_be_meant_is_refused(shop: Shops, failure_of: Callable[..., Any], text: str) -> None:
    stub = EventServiceStub(shop().writer)
    failure = failure_of(lambda: stub.PurgeEvents(PurgeEventsRequest(filter=text)))

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.details["BadRequest"].field_violations[0].field == "filter"
    assert "at position" in failure.message


def test_without_a_store_nothing_can_be_kept(channel: grpc.Channel, failure_of: Callable[..., Any]) -> None:
    calls: list[Callable[[], object]] = [
        lambda: EventServiceStub(channel).WriteEvents(WriteEventsRequest(events=[bought(user_id="a")])),
        lambda: UserServiceStub(channel).DeleteUser(DeleteUserRequest(user_id="a")),
    ]
    for call in calls:
        failure = failure_of(call)
        assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
        assert failure.details["ErrorInfo"].reason == "NO_STATE"


def test_events_are_kept_while_nothing_is_served(serve: Callable[..., grpc.Channel], tmp_path: Path) -> None:
    channel = serve(tmp_path / "none", state=str(tmp_path / "state"))
    answer = EventServiceStub(channel).WriteEvents(WriteEventsRequest(events=[bought(user_id="a")]), timeout=60)

    assert counts(answer) == (1, 0, 1)
