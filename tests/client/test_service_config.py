"""Deadlines and retries: every method has them, and gRPC does what the file says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from client import AsyncClient, Client, ClientError
from client.rpcs import RPCS
from client.service_config import for_channel, shipped
from protos.recommender.v1 import (
    catalog_service_pb2,
    event_service_pb2,
    recommendation_service_pb2,
    snapshot_service_pb2,
    user_service_pb2,
)

from .scripted import Scripted, status_of

PROTOS = Path(__file__).parents[2] / "protos" / "recommender" / "v1"
MODULES = (
    catalog_service_pb2,
    event_service_pb2,
    recommendation_service_pb2,
    snapshot_service_pb2,
    user_service_pb2,
)
# Their names begin with what they do; nothing else may be tried again without a thought. To write, to purge, to link
# and to forget again is harmless; an event without an id is then known by its content.
READS = ("Recommend", "BatchRecommend", "Similar", "Get", "List", "Search")
IDEMPOTENT = (
    "WriteEvents",
    "PurgeEvents",
    "UpsertUsers",
    "LinkIdentities",
    "DeleteUser",
    "UpsertItems",
    "SetInventory",
    "DeleteItems",
)
ONCE = ("check_health", "activate_snapshot", "unlink_identities")
UNAVAILABLE = status_of(grpc.StatusCode.UNAVAILABLE)


def methods() -> list[MethodDescriptor]:
    services = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def entries(method: MethodDescriptor) -> list[dict[str, Any]]:
    name = {"service": method.containing_service.full_name, "method": method.name}
    return [entry for entry in shipped()["methodConfig"] if name in entry["name"]]


def test_these_are_all_services_that_there_are() -> None:
    assert {f"{path.stem}_pb2" for path in PROTOS.glob("*_service.proto")} == {
        module.__name__.rpartition(".")[2] for module in MODULES
    }


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_method_has_one_deadline_and_only_what_is_harmless_is_tried_again(method: MethodDescriptor) -> None:
    (entry,) = entries(method)

    assert float(entry["timeout"].removesuffix("s")) > 0
    assert ("retryPolicy" in entry) == method.name.startswith((*READS, *IDEMPOTENT))
    if "retryPolicy" in entry:
        assert entry["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_method_is_one_of_the_clients(method: MethodDescriptor) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    (rpc,) = [rpc for rpc in RPCS.values() if rpc.path == path]

    assert rpc.request.DESCRIPTOR is method.input_type
    assert rpc.response.DESCRIPTOR is method.output_type


def test_the_file_names_no_method_that_does_not_exist() -> None:
    existing = {(method.containing_service.full_name, method.name) for method in methods()}
    existing.add((health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, "Check"))
    named = [(name["service"], name["method"]) for entry in shipped()["methodConfig"] for name in entry["name"]]

    assert sorted(named) == sorted(existing)


def test_no_field_of_a_request_has_the_name_of_an_argument() -> None:
    taken = {"timeout_s", "metadata", "batch_size", "user_ids"}

    assert {name: taken & set(rpc.request.DESCRIPTOR.fields_by_name) for name, rpc in RPCS.items()} == {
        name: set() for name in RPCS
    }


@pytest.mark.parametrize("name", [name for name in RPCS if name not in ONCE])
def test_unavailable_is_tried_again_without_the_caller_noticing(address: str, scripted: Scripted, name: str) -> None:
    scripted.failures = [UNAVAILABLE, UNAVAILABLE]
    with Client(address) as blocking:
        answer = getattr(blocking, name)()

    assert isinstance(answer, Message)
    assert [call.method for call in scripted.received] == [RPCS[name].path] * 3
    assert scripted.received[2].metadata["grpc-previous-rpc-attempts"] == "2"


def test_what_changes_something_is_asked_once(address: str, scripted: Scripted) -> None:
    scripted.failures = [UNAVAILABLE, UNAVAILABLE]
    with Client(address) as blocking, pytest.raises(ClientError) as failed:
        blocking.activate_snapshot(snapshot_version="v")

    assert failed.value.code is grpc.StatusCode.UNAVAILABLE
    assert len(scripted.received) == 1


def test_the_awaited_client_tries_again_too(address: str, scripted: Scripted) -> None:
    async def asked() -> None:
        async with AsyncClient(address) as awaited:
            await awaited.recommend(user_id="a")

    scripted.failures = [UNAVAILABLE, UNAVAILABLE]
    asyncio.run(asked())

    assert len(scripted.received) == 3


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code not in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)]
)
def test_any_other_failure_is_final(address: str, scripted: Scripted, code: grpc.StatusCode) -> None:
    scripted.failures = [status_of(code), status_of(code)]
    with Client(address) as blocking, pytest.raises(ClientError) as raised:
        blocking.recommend(user_id="a")

    assert raised.value.code is code
    assert len(scripted.received) == 1


def test_a_server_that_stays_unavailable_is_given_up(address: str, scripted: Scripted) -> None:
    scripted.failures = [UNAVAILABLE] * 10
    with Client(address) as blocking, pytest.raises(ClientError) as raised:
        blocking.recommend(user_id="a")

    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    assert len(scripted.received) == 4


def test_a_health_check_says_what_is_so_at_this_moment(address: str, scripted: Scripted) -> None:
    scripted.failures = [UNAVAILABLE]
    with Client(address) as blocking, pytest.raises(ClientError):
        blocking.check_health()

    assert len(scripted.received) == 1


@pytest.mark.parametrize(("asked_s", "most_s", "least_s"), [(None, 2, 1), (0.9, 0.9, 0.1), (500, 500, 490)])
def test_a_call_has_the_deadline_of_the_file_or_its_own_even_a_longer_one(
    address: str, scripted: Scripted, asked_s: float | None, most_s: float, least_s: float
) -> None:
    with Client(address) as blocking:
        blocking.recommend(user_id="a", timeout_s=asked_s)

    remaining_s = scripted.received[0].remaining_s
    assert remaining_s is not None
    # gRPC rounds a time to send to some three digits.
    assert least_s < remaining_s <= 1.02 * most_s


def test_the_channel_is_given_everything_but_the_deadlines() -> None:
    # The server sees only a call's own deadline; the channel's would end a longer call at the caller.
    given, file = json.loads(for_channel()), shipped()

    assert [entry | {"timeout": None} for entry in given["methodConfig"]] == [
        entry | {"timeout": None} for entry in file["methodConfig"]
    ]
    assert "timeout" not in for_channel()
    assert given.keys() == file.keys()


def test_deadlines_are_set_by_method_for_a_whole_client(address: str, scripted: Scripted) -> None:
    with Client(address, timeouts_s={"recommend": 300}) as blocking:
        blocking.recommend(user_id="a")
        blocking.similar_items(item_id="a")

    first, second = (call.remaining_s for call in scripted.received)
    assert first is not None
    assert second is not None
    assert 290 < first <= 306
    assert second <= 2.04


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_there_is_no_call_without_a_deadline(address: str, scripted: Scripted, seconds: float) -> None:
    with pytest.raises(ValueError, match="finite and above 0 seconds"):
        Client(address, timeouts_s={"recommend": seconds})
    with Client(address) as blocking, pytest.raises(ValueError, match="finite and above 0 seconds"):
        blocking.recommend(timeout_s=seconds)
    assert scripted.received == []


def test_a_deadline_for_a_method_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no method: recomend; methods are recommend, "):
        Client("127.0.0.1:1", timeouts_s={"recomend": 1})
