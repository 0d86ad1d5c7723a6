"""Both clients against a real server on a tiny snapshot."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from client import AsyncClient, Client, ClientError
from protos.recommender.v1.recommendation_service_pb2 import (
    SERVED_BY_PERSONALISED,
    BatchRecommendRequest,
    BatchRecommendResponse,
    RecommendRequest,
    RecommendResponse,
)
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsResponse

from .scripted import Scripted

USERS = [f"user-{number:02d}" for number in range(24)]


def items(response: RecommendResponse) -> list[str]:
    return [result.item_id for result in response.results]


def test_fields_and_a_message_ask_the_same_question(target: str) -> None:
    with Client(target) as client:
        by_fields = client.recommend(user_id="user-03", page_size=7, explain="EXPLAIN_SUMMARY")
        by_message = client.recommend(RecommendRequest(user_id="user-03", page_size=7))

    assert len(by_fields.results) == 7
    assert by_fields.served_by == SERVED_BY_PERSONALISED
    assert by_fields.results[0].sources
    assert not by_message.results[0].sources
    assert items(by_fields) == items(by_message)


def test_every_method_answers(target: str) -> None:
    with Client(target) as client:
        serving = client.get_serving()
        similar = client.similar_items(item_id="1-i00", page_size=3)
        batch = client.batch_recommend(requests=[RecommendRequest(user_id="user-03", page_size=2)])
        page = client.list_user_ids(page_size=5)
        health = client.check_health(service="recommender.v1.RecommendationService")

    assert (serving.n_users, serving.n_items) == (24, 60)
    assert len(similar.results) == 3
    assert len(batch.responses[0].response.results) == 2
    assert list(page.user_ids) == USERS[:5]
    assert health.status == HealthCheckResponse.SERVING


def test_the_awaited_client_gives_what_the_blocking_one_gives(target: str) -> None:
    async def asked() -> tuple[RecommendResponse, list[str], list[str], int]:
        async with AsyncClient(target) as client:
            answer, health = await asyncio.gather(client.recommend(user_id="user-03"), client.check_health())
            listed = [user_id async for user_id in client.user_ids(page_size=10)]
            many = [user_id async for user_id, _ in client.recommend_many(USERS, batch_size=10, page_size=2)]
            with pytest.raises(ClientError) as raised:
                await client.similar_items(item_id="no-such-item")
            assert isinstance(raised.value.__cause__, grpc.aio.AioRpcError)
            assert raised.value.reason == "ITEM_NOT_FOUND"
            return answer, listed, many, health.status

    answer, listed, many, health = asyncio.run(asked())
    with Client(target) as client:
        assert items(answer) == items(client.recommend(user_id="user-03"))
    assert listed == many == USERS
    assert health == HealthCheckResponse.SERVING


def test_pages_of_user_ids_join_into_one_listing(target: str) -> None:
    with Client(target) as client:
        assert list(client.user_ids(page_size=7)) == USERS
        assert list(client.user_ids()) == USERS


def test_a_listing_asks_for_a_page_only_when_it_is_needed(address: str, scripted: Scripted) -> None:
    scripted.answers = [ListUserIdsResponse(user_ids=["a", "b"], next_page_token="t")]
    with Client(address) as client:
        listing = client.user_ids()
        assert [next(listing), next(listing)] == ["a", "b"]
        assert len(scripted.received) == 1
        assert list(listing) == []
        assert len(scripted.received) == 2


def test_many_users_travel_in_batches_of_at_most_256_and_come_back_in_order(target: str) -> None:
    wanted = [f"stranger-{number}" for number in range(300)] + ["user-03"]
    with Client(target) as client:
        alone = client.recommend(user_id="user-03", page_size=2)
        outcomes = list(client.recommend_many(iter(wanted), page_size=2))

    assert [user_id for user_id, _ in outcomes] == wanted
    answers = [outcome for _, outcome in outcomes if isinstance(outcome, RecommendResponse)]
    assert len(answers) == 301
    assert items(answers[-1]) == items(alone)
    assert items(answers[0]) != items(answers[-1])


@pytest.mark.parametrize(("n_users", "sizes"), [(0, []), (256, [256]), (600, [256, 256, 88])])
def test_batches_are_as_large_as_the_server_takes(
    address: str, scripted: Scripted, n_users: int, sizes: list[int]
) -> None:
    entry = BatchRecommendResponse.Entry(response=RecommendResponse())
    scripted.answers = [BatchRecommendResponse(responses=[entry] * size) for size in sizes]
    with Client(address) as client:
        outcomes = list(client.recommend_many(map(str, range(n_users)), labels={"page": "mail"}))

    batches = [BatchRecommendRequest.FromString(call.request) for call in scripted.received]
    assert [len(batch.requests) for batch in batches] == sizes
    assert len(outcomes) == n_users
    assert all(request.labels["page"] == "mail" for batch in batches for request in batch.requests)


def test_a_user_without_an_answer_has_an_error_in_its_place(target: str) -> None:
    with Client(target) as client:
        (good, answer), (bad, error) = client.recommend_many(["user-03", "u" * 200], page_size=3)

    assert (good, bad) == ("user-03", "u" * 200)
    assert isinstance(answer, RecommendResponse)
    assert isinstance(error, ClientError)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in error.violations] == ["requests[1].user_id"]


def test_what_cannot_be_meant_is_refused_before_any_call(address: str, scripted: Scripted) -> None:
    with Client(address) as client:
        with pytest.raises(TypeError, match="several ids"):
            client.recommend_many("user-03")
        with pytest.raises(ValueError, match="from 1 to 256, got 257"):
            client.recommend_many(["a"], batch_size=257)
        with pytest.raises(ValueError, match="no_such_field"):
            client.recommend_many(["a"], no_such_field=1)
        with pytest.raises(ValueError, match="no_such_field"):
            client.recommend(no_such_field=1)
        with pytest.raises(TypeError, match="not both"):
            client.recommend(RecommendRequest(), user_id="a")

    assert scripted.received == []


def test_threads_share_one_client(target: str) -> None:
    together = threading.Barrier(4)

    def ask(user_id: str) -> list[str]:
        together.wait(10)
        return items(client.recommend(user_id=user_id, page_size=5))

    with Client(target) as client:
        expected = [items(client.recommend(user_id=user_id, page_size=5)) for user_id in USERS[:4]]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, USERS[:4])) == expected


def test_a_closed_client_calls_nobody(target: str) -> None:
    with Client(target) as client:
        client.get_serving()

    with pytest.raises(ValueError, match="closed"):
        client.get_serving()


def test_an_awaited_client_made_outside_a_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncClient("127.0.0.1:50051")
