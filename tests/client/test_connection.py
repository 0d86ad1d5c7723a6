"""Plain text stays on this machine; beyond it there is TLS, and tokens travel in nothing else."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client import AsyncClient, Client, ClientError
from client.connection import is_loopback
from protos.recommender.v1.recommendation_service_pb2 import RecommendResponse

from .scripted import Scripted

HERE = [
    "localhost:50051",
    "127.0.0.1:50051",
    "127.8.9.1:1",
    "[::1]:50051",
    "::1",
    "dns:///localhost:50051",
    "dns:localhost:50051",
    "dns://8.8.8.8/127.0.0.1:50051",
    "ipv4:127.0.0.1:1,127.0.0.2:1",
    "ipv6:[::1]:50051",
    "unix:/run/tributary.sock",
    "unix-abstract:tributary",
]
ELSEWHERE = [
    "",
    "recommender:50051",
    "recommender",
    "10.0.0.7:50051",
    "0.0.0.0:50051",
    "[2001:db8::1]:50051",
    "localhost.example.org:50051",
    "dns:///recommender:50051",
    "dns://127.0.0.1/recommender:50051",
    "ipv4:127.0.0.1:1,10.0.0.7:1",
    "xds:///localhost:50051",
    "passthrough:///localhost:50051",
]


@pytest.mark.parametrize("target", HERE)
def test_this_machine_is_known_in_all_notations(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_plain_text_to_another_machine_must_be_asked_for(target: str) -> None:
    assert not is_loopback(target)
    with pytest.raises(ValueError, match="give credentials, or insecure=True"):
        Client(target)

    async def opened() -> None:
        AsyncClient(target)

    with pytest.raises(ValueError, match="give credentials, or insecure=True"):
        asyncio.run(opened())


def test_plain_text_that_was_asked_for_is_allowed() -> None:
    Client("recommender:50051", insecure=True).close()


def test_arguments_that_contradict_each_other_are_refused() -> None:
    tls, token = grpc.ssl_channel_credentials(), grpc.access_token_call_credentials("t")
    with pytest.raises(ValueError, match="either it or credentials"):
        Client("recommender:50051", credentials=tls, insecure=True)
    with pytest.raises(ValueError, match="no token in plain text"):
        Client("127.0.0.1:50051", call_credentials=token)
    with pytest.raises(ValueError, match="keepalive_s must be above 0"):
        Client("127.0.0.1:50051", keepalive_s=0)
    with pytest.raises(ValueError, match="largest_answer must be above 0"):
        Client("127.0.0.1:50051", largest_answer=0)


@pytest.fixture(scope="module")
def certificate() -> tuple[bytes, bytes]:
    """A key and a certificate for localhost, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return pem, signed.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def secure_address(scripted: Scripted, certificate: tuple[bytes, bytes]) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[scripted])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([certificate]))
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_tls_and_a_token_reach_the_server(
    secure_address: str, scripted: Scripted, certificate: tuple[bytes, bytes]
) -> None:
    tls, token = grpc.ssl_channel_credentials(certificate[1]), grpc.access_token_call_credentials("secret")

    async def asked() -> None:
        async with AsyncClient(secure_address, credentials=tls, call_credentials=token) as client:
            await client.get_serving()

    with Client(secure_address, credentials=tls, call_credentials=token) as client:
        client.get_serving(metadata=[("x-trace", "7")])
    asyncio.run(asked())
    with Client(secure_address, credentials=tls) as client:
        client.get_serving()

    assert [call.metadata.get("authorization") for call in scripted.received] == ["Bearer secret"] * 2 + [None]
    assert scripted.received[0].metadata["x-trace"] == "7"


def test_a_server_without_a_certificate_that_is_trusted_is_unavailable(secure_address: str, scripted: Scripted) -> None:
    public = grpc.ssl_channel_credentials()
    with Client(secure_address, credentials=public) as client, pytest.raises(ClientError) as raised:
        client.check_health()

    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    assert scripted.received == []


def test_the_largest_answer_is_more_than_grpc_takes_by_default_and_can_be_less(
    address: str, scripted: Scripted
) -> None:
    large = RecommendResponse(warnings=["x" * 5 * 1024 * 1024])
    scripted.answers = [large, large]
    with Client(address) as client:
        assert client.recommend() == large
    with Client(address, largest_answer=1024 * 1024) as client, pytest.raises(ClientError) as raised:
        client.recommend()

    assert raised.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_client_that_waits_for_ready_waits_until_its_deadline() -> None:
    with Client("127.0.0.1:1", wait_for_ready=True) as client, pytest.raises(ClientError) as waited:
        client.check_health(timeout_s=0.3)
    with Client("127.0.0.1:1") as client, pytest.raises(ClientError) as failed:
        client.check_health(timeout_s=30)

    assert waited.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert failed.value.code is grpc.StatusCode.UNAVAILABLE
