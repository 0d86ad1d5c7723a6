from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from protos.recommender.v1 import recommendation_service_pb2_grpc as recommendation_grpc
from recsys.errors import NoSnapshot
from server.clock import CLOCKS
from server.decoding import Decoding
from server.live import Live
from server.recommendation import Recommendations

RECOMMEND = "/recommender.v1.RecommendationService/Recommend"


@pytest.fixture
def channel() -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(1), interceptors=[Decoding()])
    recommendation_grpc.add_RecommendationServiceServicer_to_server(
        Recommendations(Live(NoSnapshot("nothing yet")), CLOCKS["now"]), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None).wait()


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_message_are_the_callers_mistake_with_all_details(channel: grpc.Channel, raw: bytes) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(RECOMMEND)(raw, timeout=5)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(raised.value)
    assert [detail.TypeName() for detail in status.details].count(ErrorInfo.DESCRIPTOR.full_name) == 1
    violations = BadRequest()
    assert any(detail.Unpack(violations) for detail in status.details)
    assert [violation.field for violation in violations.field_violations] == ["request"]


def test_a_message_is_handed_on_as_it_is(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(RECOMMEND)(b"", timeout=5)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
