"""What the README says of what happens between two rebuilds, row by row and over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import WriteEventsRequest
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.user_service_pb2 import DeleteUserRequest

from .paged import rows
from .readme_rows import ROWS, Row
from .stateful import Shop, Shops, bought


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """What the README says of the test that asks."""
    return ROWS[request.node.originalname]


@pytest.fixture
def running(shop: Shops) -> Shop:
    return shop(clock="snapshot")


@pytest.fixture
def away(running: Shop) -> Shop:
    """A shop whose store was overwritten by something else."""
    running.write(bought(user_id="ann"))
    for file in running.state.glob("*.db*"):
        file.write_bytes(b"no database")
    return running


def test_an_event_that_breaks_a_rule(running: Shop, row: Row) -> None:
    answer = running.write(Event(user_id="ann"), bought(user_id="ann"))

    row.is_answered(answer)
    assert [status.code for status in answer.statuses] == [3, 0]
    assert running.took(user_id="ann") == {"1-i57"}


def test_an_event_of_an_item_nobody_knows(running: Shop, row: Row) -> None:
    row.is_answered(running.write(bought("nothing", user_id="ann")))
    assert running.took(user_id="ann") == set()


def test_an_event_that_is_written_again(running: Shop, row: Row) -> None:
    running.write(bought(user_id="ann", event_id="e"))
    answer = running.write(bought(user_id="ann", event_id="e"))

    row.is_answered(answer)
    assert (answer.n_written, answer.n_duplicate) == (0, 1)


def test_an_event_that_was_just_acknowledged(running: Shop, row: Row) -> None:
    running.write(bought(user_id="ann"))
    answer = running.recommend(user_id="ann")

    row.is_answered(answer)
    assert answer.served_by == pb.SERVED_BY_PERSONALISED


def test_a_user_who_was_deleted(running: Shop, row: Row) -> None:
    running.users.DeleteUser(DeleteUserRequest(user_id="user-03"))
    answer = running.recommend(user_id="user-03")

    row.is_answered(answer)
    assert answer.served_by == pb.SERVED_BY_POPULAR
    assert rows(answer) == rows(running.recommend(user_id="nobody"))


def test_an_answer_while_the_state_store_is_away(away: Shop, row: Row) -> None:
    answer = away.recommend(user_id="user-03")

    row.is_answered(answer)
    assert answer.served_by == pb.SERVED_BY_PERSONALISED
    requests = [pb.RecommendRequest(user_id="user-03")] * 2
    batch = RecommendationServiceStub(away.reader).BatchRecommend(pb.BatchRecommendRequest(requests=requests))
    assert [len(entry.response.degraded_reasons) for entry in batch.responses] == [1, 1]


def test_a_write_while_the_state_store_is_away(away: Shop, row: Row, failure_of: Callable[..., Any]) -> None:
    failure = failure_of(lambda: away.write(bought(user_id="ann")))

    row.is_refused(failure.code, failure.details)


def test_a_write_without_a_state_store(channel: grpc.Channel, row: Row, failure_of: Callable[..., Any]) -> None:
    request = WriteEventsRequest(events=[bought(user_id="ann")])
    failure = failure_of(lambda: EventServiceStub(channel).WriteEvents(request))

    row.is_refused(failure.code, failure.details)
    assert failure.details["ErrorInfo"].reason == "NO_STATE"
