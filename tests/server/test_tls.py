"""TLS and client certificates by files: who gets through, who does not, and files that change under way."""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest, RecommendResponse
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from recsys.errors import InputError
from server.channel import sentence_of
from server.credentials import Credentials
from server.settings import Settings
from server.tls import TlsFiles, read_identity

from .authority import Authority

Listen = Callable[..., str]
LONG_S = 30
NOT_TRUSTED = "nobody we trust vouches for its certificate (--ca)"
CLOSED = "it closed the connection"


@pytest.fixture
def shop(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "shop-ca")


def ask(target: str, credentials: Credentials) -> RecommendResponse:
    """The answer to one call on a connection of its own. No retries: a refusal shows at once."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with credentials.channel(target, options) as channel:
        return RecommendationServiceStub(channel).Recommend(RecommendRequest(), timeout=LONG_S)


def refusal(target: str, credentials: Credentials) -> str:
    """What a person is told who cannot connect."""
    with pytest.raises(grpc.RpcError) as raised:
        ask(target, credentials)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    return sentence_of(raised.value, target).partition(f"no server is ready at {target}: ")[2]


def test_a_client_that_trusts_the_authority_is_answered_and_any_other_is_not(
    shop: Authority, snapshots: Path, listen: Listen, tmp_path: Path
) -> None:
    cert, key = shop.issue("server")
    target = listen(snapshots, tls_cert=cert, tls_key=key)
    stranger = Authority(tmp_path, "stranger-ca")

    assert ask(target, Credentials(tls=True, ca=shop.ca.read_bytes())).results
    assert refusal(target, Credentials(tls=True, ca=stranger.ca.read_bytes())) == NOT_TRUSTED
    assert refusal(target, Credentials(tls=True)) == NOT_TRUSTED
    assert refusal(target, Credentials()).startswith(CLOSED)


def test_a_server_without_tls_is_told_apart(shop: Authority, snapshots: Path, listen: Listen) -> None:
    assert refusal(listen(snapshots), Credentials(tls=True, ca=shop.ca.read_bytes())) == "it speaks no TLS"


def test_a_server_at_one_of_several_addresses_is_not_taken_for_nobody(
    shop: Authority, snapshots: Path, listen: Listen, tmp_path: Path
) -> None:
    cert, key = shop.issue("server")
    there = listen(snapshots, tls_cert=cert, tls_key=key)
    stranger = Credentials(tls=True, ca=Authority(tmp_path, "stranger-ca").ca.read_bytes())

    # As a name has them; gRPC tells of the last one only.
    for credentials in (stranger, Credentials()):
        said = refusal(f"ipv4:{there},127.0.0.1:1", credentials)
        assert said.startswith(f"somebody listens at {there}, one of its 2 addresses, but speaks otherwise")
        assert said.endswith(f"--target {there} tells more")
    assert refusal(f"ipv4:127.0.0.1:1,{there}", stranger) == NOT_TRUSTED
    assert refusal("ipv4:127.0.0.1:1,127.0.0.1:2", stranger) == "nobody listens there"


def test_a_certificate_for_another_host_is_not_believed(shop: Authority, snapshots: Path, listen: Listen) -> None:
    trusting = Credentials(tls=True, ca=shop.ca.read_bytes())
    for host, is_believed in (("shop.example", False), ("127.0.0.1", True)):
        cert, key = shop.issue(f"for-{host}", host=host)
        target = listen(snapshots, tls_cert=cert, tls_key=key)
        if is_believed:
            assert ask(target, trusting).results
        else:
            assert refusal(target, trusting) == "its certificate is for another host"


def test_with_a_client_authority_only_its_certificates_get_through(
    shop: Authority, snapshots: Path, listen: Listen, tmp_path: Path
) -> None:
    cert, key = shop.issue("server")
    clients, strangers = Authority(tmp_path, "clients-ca"), Authority(tmp_path, "strangers-ca")
    target = listen(snapshots, tls_cert=cert, tls_key=key, tls_client_ca=clients.ca)
    ca = shop.ca.read_bytes()

    def presenting(authority: Authority) -> Credentials:
        own_cert, own_key = authority.issue("client")
        return Credentials(tls=True, ca=ca, cert=own_cert.read_bytes(), key=own_key.read_bytes())

    assert ask(target, presenting(clients)).results
    assert refusal(target, Credentials(tls=True, ca=ca)).startswith(CLOSED)
    assert refusal(target, presenting(strangers)).startswith(CLOSED)


def serial_number(target: str) -> int:
    """Of the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, _, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=LONG_S) as plain, context.wrap_socket(plain) as secured:
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_new_certificate_is_shown_without_a_restart_and_a_wrong_one_is_not(
    shop: Authority, snapshots: Path, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = shop.issue("server")
    target = listen(snapshots, tls_cert=cert, tls_key=key)
    first = serial_number(target)
    assert serial_number(target) == first

    shop.issue("server")
    second = serial_number(target)
    with caplog.at_level(logging.ERROR):
        # The certificate comes before its key, as it does when they are copied one after the other.
        other_cert, other_key = shop.issue("other")
        cert.write_bytes(other_cert.read_bytes())
        between = serial_number(target)
    key.write_bytes(other_key.read_bytes())
    third = serial_number(target)

    assert len({first, second, third}) == 3
    assert between == second
    assert third == x509.load_pem_x509_certificate(other_cert.read_bytes()).serial_number
    assert f"--tls-key {key} is not the key of --tls-cert {cert}" in caplog.text
    assert ask(target, Credentials(tls=True, ca=shop.ca.read_bytes())).results


def test_a_new_client_authority_is_asked_for_without_a_restart(
    shop: Authority, snapshots: Path, listen: Listen, tmp_path: Path
) -> None:
    cert, key = shop.issue("server")
    before, after = Authority(tmp_path, "before-ca"), Authority(tmp_path, "after-ca")
    client_ca = tmp_path / "client-ca.pem"
    client_ca.write_bytes(before.ca.read_bytes())
    target = listen(snapshots, tls_cert=cert, tls_key=key, tls_client_ca=client_ca)
    own_cert, own_key = after.issue("client")
    newcomer = Credentials(tls=True, ca=shop.ca.read_bytes(), cert=own_cert.read_bytes(), key=own_key.read_bytes())
    assert refusal(target, newcomer).startswith(CLOSED)

    client_ca.write_bytes(after.ca.read_bytes())

    assert ask(target, newcomer).results


def test_files_that_cannot_work_are_one_sentence(shop: Authority, tmp_path: Path) -> None:
    cert, key = shop.issue("server")
    _, other_key = shop.issue("other")
    garbage, missing, locked = tmp_path / "garbage", tmp_path / "missing", tmp_path / "locked"
    garbage.write_text("no PEM at all")
    private = load_pem_private_key(key.read_bytes(), password=None)
    locked.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")))
    no_pem = "must be a certificate in PEM and --tls-key"

    for files, sentence in (
        (TlsFiles(missing, key), f"--tls-cert {missing} cannot be read: No such file or directory"),
        (TlsFiles(cert, missing), f"--tls-key {missing} cannot be read: No such file or directory"),
        (TlsFiles(cert, key, missing), f"--tls-client-ca {missing} cannot be read: No such file or directory"),
        (TlsFiles(cert, other_key), f"--tls-key {other_key} is not the key of --tls-cert {cert}"),
        (TlsFiles(garbage, key), no_pem),
        (TlsFiles(cert, garbage), no_pem),
        (TlsFiles(cert, locked), no_pem),
        (TlsFiles(cert, key, garbage), f"--tls-client-ca {garbage} must hold a certificate in PEM"),
        (TlsFiles(tmp_path, key), f"--tls-cert {tmp_path} cannot be read: Is a directory"),
    ):
        with pytest.raises(InputError) as raised:
            read_identity(files)
        assert sentence in str(raised.value)
        assert "\n" not in str(raised.value)
    assert read_identity(TlsFiles(cert, key, shop.ca)).key == key.read_bytes()


def test_a_private_key_is_neither_shown_nor_handed_on(shop: Authority, settings_for: Callable[..., Settings]) -> None:
    cert, key = shop.issue("server")
    settings = settings_for(Path("unused"), tls_cert=cert, tls_key=key)

    assert "PRIVATE KEY" not in repr(read_identity(TlsFiles(cert, key)))
    assert json.loads(settings.to_json())["tls_key"] == str(key)
    assert Settings.from_json(settings.to_json()) == settings
