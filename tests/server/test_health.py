"""What orchestrators ask of a running server."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc


def test_health_refuses_what_is_no_message_too(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.RpcError) as caught:
            check(b"\x0a\x02\xff\xfe", timeout=10)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_health_lists_every_service(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        listed = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=10)
    assert {"", "recommender.v1.RecommendationService"} <= set(listed.statuses)
    assert {one.status for one in listed.statuses.values()} == {health_pb2.HealthCheckResponse.SERVING}
