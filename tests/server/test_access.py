"""Tokens over the wire: who is let in, what strangers are told, and that every method has a role."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

import protos.recommender.v1 as contract
from protos.recommender.v1.recommendation_service_pb2 import BatchRecommendRequest, RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import (
    ActivateSnapshotRequest,
    GetServingRequest,
    ListServingConfigsRequest,
    ListSnapshotsRequest,
    ListUserIdsRequest,
)
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from server.access import NEEDS, Anyone
from server.credentials import Credentials
from server.log import JsonLines
from server.tokens import Caller, Role, line_of

from .authority import Authority

TOKENS = {"shop": "recommend", "importer": "write", "operator": "admin"}


def tokens_text(tokens: dict[str, str]) -> str:
    """A file that admits, for each name, the token ``<name>-token`` with the role."""
    callers = ((f"{name}-token", Caller(name, frozenset({Role(role)}))) for name, role in tokens.items())
    return "".join(f"{line_of(token, caller)}\n" for token, caller in callers)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text(tokens_text(TOKENS))
    return file


@pytest.fixture
def channel_as(snapshots: Path, tokens: Path, listen: Callable[..., str]) -> Iterator[Callable[[str], grpc.Channel]]:
    """``channel_as(token)``: a channel to a server that asks for tokens; "" sends none."""
    target = listen(snapshots, tokens=tokens)
    channels = []

    def opened(token: str) -> grpc.Channel:
        channels.append(Credentials(token=token).channel(target, [("grpc.use_local_subchannel_pool", 1)]))
        return channels[-1]

    yield opened
    for channel in channels:
        channel.close()


def recommend(channel: grpc.Channel, **options: Any) -> Any:
    return RecommendationServiceStub(channel).Recommend(RecommendRequest(user_id="user-03"), timeout=30, **options)


def methods_of(module: Any) -> set[str]:
    services = module.DESCRIPTOR.services_by_name.values()
    return {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}


def test_every_method_of_every_service_has_its_need_and_none_is_left_over() -> None:
    names = [module.name for module in pkgutil.iter_modules(contract.__path__) if module.name.endswith("_pb2")]
    ours = [importlib.import_module(f"{contract.__name__}.{name}") for name in names]
    methods = set().union(*(methods_of(module) for module in (*ours, health_pb2, reflection_pb2)))

    assert len(methods_of(ours[names.index("recommendation_service_pb2")])) >= 3
    assert set(NEEDS) == methods
    assert {method for method, need in NEEDS.items() if need is Anyone.OPEN} == methods_of(health_pb2)


def test_a_token_of_the_role_is_answered(channel_as: Callable[[str], grpc.Channel]) -> None:
    for name in ("shop", "operator"):
        channel = channel_as(f"{name}-token")
        assert recommend(channel).results
        assert RecommendationServiceStub(channel).BatchRecommend(BatchRecommendRequest(requests=[RecommendRequest()]))
        assert SnapshotServiceStub(channel).GetServing(GetServingRequest()).snapshot_version
        assert SnapshotServiceStub(channel).ListUserIds(ListUserIdsRequest()).user_ids
        assert SnapshotServiceStub(channel).ListServingConfigs(ListServingConfigsRequest()).serving_configs


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "Basic c2hvcDpzaG9wLXRva2Vu")],
        [("authorization", "shop-token")],
        [("authorization", "Bearer shop-token"), ("authorization", "Bearer shop-token")],
        [("x-token", "shop-token")],
    ],
)
def test_a_call_without_one_bearer_token_is_unauthenticated(
    channel_as: Callable[[str], grpc.Channel], failure_of: Callable[..., Any], metadata: list[tuple[str, str]]
) -> None:
    failure = failure_of(lambda: recommend(channel_as(""), metadata=metadata))

    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
    assert failure.details["ErrorInfo"].reason == "TOKEN_MISSING"
    assert set(failure.details) == {"ErrorInfo", "RequestInfo"}


@pytest.mark.parametrize("token", ["shop-tokem", "Shop-token", "shop-token-and-more", "x" * 4000])
def test_an_unknown_token_is_unauthenticated_and_repeated_nowhere(
    channel_as: Callable[[str], grpc.Channel],
    failure_of: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    token: str,
) -> None:
    with caplog.at_level(logging.DEBUG):
        failure = failure_of(lambda: recommend(channel_as(token)))

    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
    assert failure.details["ErrorInfo"].reason == "TOKEN_UNKNOWN"
    assert token not in str(failure)
    assert token not in "".join(JsonLines(worker=0).format(record) for record in caplog.records)


def test_a_known_token_without_the_role_is_denied_by_name(
    channel_as: Callable[[str], grpc.Channel], failure_of: Callable[..., Any]
) -> None:
    failure = failure_of(lambda: recommend(channel_as("importer-token")))

    assert failure.code is grpc.StatusCode.PERMISSION_DENIED
    assert failure.message == "the token of 'importer' does not carry the role recommend"
    assert failure.details["ErrorInfo"].reason == "ROLE_MISSING"
    assert dict(failure.details["ErrorInfo"].metadata) == {"name": "importer", "role": "recommend"}
    assert set(failure.details) == {"ErrorInfo", "RequestInfo"}


@pytest.mark.parametrize("name", ["shop", "importer"])
def test_only_an_admin_lists_snapshots_and_activates_one(
    channel_as: Callable[[str], grpc.Channel], snapshots: Path, failure_of: Callable[..., Any], name: str
) -> None:
    version = (snapshots / "CURRENT").read_text().strip()
    stub, admin = (SnapshotServiceStub(channel_as(f"{one}-token")) for one in (name, "operator"))
    activation = ActivateSnapshotRequest(snapshot_version=version)

    for refused in (
        failure_of(lambda: stub.ActivateSnapshot(activation)),
        failure_of(lambda: stub.ListSnapshots(ListSnapshotsRequest())),
    ):
        assert refused.code is grpc.StatusCode.PERMISSION_DENIED
        assert dict(refused.details["ErrorInfo"].metadata) == {"name": name, "role": "admin"}
    assert admin.ListSnapshots(ListSnapshotsRequest()).snapshots
    assert admin.ActivateSnapshot(activation, timeout=60).previous_version == version


def test_a_refusal_comes_before_the_request_is_looked_at(
    channel_as: Callable[[str], grpc.Channel], failure_of: Callable[..., Any]
) -> None:
    for token, reason in (("", "TOKEN_MISSING"), ("importer-token", "ROLE_MISSING")):
        raw: Any = channel_as(token).unary_unary("/recommender.v1.RecommendationService/Recommend")
        failure = failure_of(partial(raw, b"\xff" * 1000, timeout=30))
        assert failure.details["ErrorInfo"].reason == reason


def test_health_is_open_and_reflection_wants_any_known_token(
    channel_as: Callable[[str], grpc.Channel], failure_of: Callable[..., Any]
) -> None:
    def services(token: str) -> Any:
        questions = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        metadata = [("authorization", f"bearer {token}")] if token else []
        stub = ServerReflectionStub(channel_as(""))
        (answer,) = stub.ServerReflectionInfo(questions, timeout=30, metadata=metadata)
        return answer.list_services_response.service

    checked = HealthStub(channel_as("")).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert checked.status == health_pb2.HealthCheckResponse.SERVING
    assert services("importer-token")
    assert failure_of(lambda: services("")).details["ErrorInfo"].reason == "TOKEN_MISSING"
    assert failure_of(lambda: services("nobody-token")).details["ErrorInfo"].reason == "TOKEN_UNKNOWN"


def test_a_refused_stream_that_sends_nothing_ends_at_once(
    channel_as: Callable[[str], grpc.Channel], failure_of: Callable[..., Any]
) -> None:
    end = threading.Event()

    def silent() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        end.wait(60)
        yield from ()

    stream = ServerReflectionStub(channel_as("")).ServerReflectionInfo(silent(), timeout=30)

    assert failure_of(lambda: next(stream)).code is grpc.StatusCode.UNAUTHENTICATED
    end.set()


def test_a_method_that_does_not_exist_is_unimplemented(channel_as: Callable[[str], grpc.Channel]) -> None:
    raw: Any = channel_as("shop-token").unary_unary("/recommender.v1.EventService/ForgetEvents")
    with pytest.raises(grpc.RpcError) as raised:
        raw(b"", timeout=30)

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_method_that_was_forgotten_in_the_table_is_an_admins(
    channel_as: Callable[[str], grpc.Channel], failure_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(NEEDS, "/recommender.v1.RecommendationService/Recommend")

    assert recommend(channel_as("operator-token")).results
    denied = failure_of(lambda: recommend(channel_as("shop-token"))).details["ErrorInfo"]
    assert denied.metadata["role"] == "admin"


def test_tokens_come_and_go_with_their_file(
    channel_as: Callable[[str], grpc.Channel],
    tokens: Path,
    failure_of: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop, newcomer = channel_as("shop-token"), channel_as("newcomer-token")
    assert recommend(shop).results
    assert failure_of(lambda: recommend(newcomer)).code is grpc.StatusCode.UNAUTHENTICATED

    tokens.write_text(tokens_text({"newcomer": "recommend"}))
    assert recommend(newcomer).results
    assert failure_of(lambda: recommend(shop)).code is grpc.StatusCode.UNAUTHENTICATED

    tokens.write_text("newcomer-token recommend newcomer\n")
    assert recommend(newcomer).results
    assert f"--tokens {tokens} line 1 must begin with the SHA-256" in caplog.text
    assert "newcomer-token" not in caplog.text

    tokens.write_text("")
    assert failure_of(lambda: recommend(newcomer)).code is grpc.StatusCode.UNAUTHENTICATED


def test_log_lines_name_the_caller_and_refusals_are_lines_too(
    channel_as: Callable[[str], grpc.Channel], failure_of: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="server.calls"):
        response = recommend(channel_as("shop-token"))
        refused = failure_of(lambda: recommend(channel_as("")))

    lines = [json.loads(JsonLines(worker=0).format(record)) for record in caplog.records]
    lines = [line for line in lines if "request_id" in line]
    assert [line["request_id"] for line in lines] == [
        response.request_id,
        refused.details["RequestInfo"].request_id,
    ]
    assert [line.get("caller") for line in lines] == ["shop", None]
    assert (lines[1]["method"], lines[1]["code"], lines[1]["error"]) == ("Recommend", "UNAUTHENTICATED", "TokenMissing")
    assert "traceback" not in lines[1]


def test_a_token_travels_over_tls_as_call_credentials(
    snapshots: Path, tokens: Path, tmp_path: Path, listen: Callable[..., str], failure_of: Callable[..., Any]
) -> None:
    shop = Authority(tmp_path, "shop-ca")
    cert, key = shop.issue("server")
    target = listen(snapshots, tokens=tokens, tls_cert=cert, tls_key=key)

    def asked(token: str) -> Any:
        with Credentials(tls=True, ca=shop.ca.read_bytes(), token=token).channel(target, []) as channel:
            return recommend(channel)

    assert asked("shop-token").results
    assert failure_of(lambda: asked("")).details["ErrorInfo"].reason == "TOKEN_MISSING"
    assert failure_of(lambda: asked("nobody-token")).details["ErrorInfo"].reason == "TOKEN_UNKNOWN"
    assert failure_of(lambda: asked("importer-token")).details["ErrorInfo"].reason == "ROLE_MISSING"
