"""What our clients are told about TLS and tokens, and what they will not do with them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.errors import InputError
from server import batch_client, console_client
from server.addresses import is_local, is_loopback
from server.credentials import Credentials, add_credentials, credentials_of
from server.tokens import Caller, Role, line_of

from .authority import Authority


def given(*arguments: str, **environment: str) -> Credentials:
    parser = argparse.ArgumentParser()
    add_credentials(parser)
    return credentials_of(parser.parse_args(arguments), environment)


def test_nothing_given_is_plain_text_without_a_token() -> None:
    assert given() == Credentials()


def test_an_authority_or_a_certificate_means_tls(tmp_path: Path) -> None:
    shop = Authority(tmp_path, "shop-ca")
    cert, key = shop.issue("client")

    assert given("--tls") == Credentials(tls=True)
    assert given("--ca", str(shop.ca)) == Credentials(tls=True, ca=shop.ca.read_bytes())
    assert given("--cert", str(cert), "--key", str(key)) == Credentials(
        tls=True, cert=cert.read_bytes(), key=key.read_bytes()
    )


def test_a_token_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    (tmp_path / "other").write_text("from-other")
    file = f"@{tmp_path / 'token'}"

    assert given("--token", file).token == "from-file"
    assert given(RECSYS_TOKEN="in-clear").token == "in-clear"
    assert given(RECSYS_TOKEN=file).token == "from-file"
    assert given("--token", f"@{tmp_path / 'other'}", RECSYS_TOKEN="in-clear").token == "from-other"
    assert "from-file" not in repr(given("--token", file))


def test_what_cannot_work_is_one_sentence_that_repeats_no_secret(tmp_path: Path) -> None:
    shop = Authority(tmp_path, "shop-ca")
    cert, key = shop.issue("client")
    _, other_key = shop.issue("other")
    (tmp_path / "empty").write_text("")
    (tmp_path / "two").write_text("one two")
    (tmp_path / "bytes").write_bytes(b"\xff")

    for arguments, environment, sentence in (
        (["--token", "s3cret"], {}, "--token must be @FILE"),
        (["--token", f"@{tmp_path / 'empty'}"], {}, "must hold one token"),
        (["--token", f"@{tmp_path / 'two'}"], {}, "must hold one token"),
        (["--token", f"@{tmp_path / 'bytes'}"], {}, "must hold a token and nothing else"),
        (["--token", "@missing"], {}, "--token missing cannot be read"),
        ([], {"RECSYS_TOKEN": "s3cret s3cret"}, "RECSYS_TOKEN must hold one token"),
        (["--cert", str(cert)], {}, "--cert and --key must be given together"),
        (["--key", str(key)], {}, "--cert and --key must be given together"),
        (["--cert", str(cert), "--key", str(other_key)], {}, f"--key {other_key} is not the key of --cert {cert}"),
        (["--ca", "missing"], {}, "--ca missing cannot be read: No such file or directory"),
        (["--ca", str(tmp_path / "empty")], {}, "must hold a certificate in PEM"),
    ):
        with pytest.raises(InputError) as raised:
            given(*arguments, **environment)
        assert sentence in str(raised.value)
        assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("127.0.0.1:50051", True),
        ("localhost:50051", True),
        ("[::1]:50051", True),
        ("::1", True),
        ("ipv4:127.0.0.1:50051,127.0.0.2:50051", True),
        ("dns:///localhost:50051", True),
        ("unix:/run/recsys.sock", True),
        ("ipv4:127.0.0.1:50051,10.0.0.1:50051", False),
        ("10.1.2.3:50051", False),
        ("[2001:db8::1]:50051", False),
        ("shop.example:50051", False),
        ("localhost.shop.example:50051", False),
        ("127.0.0.1.shop.example:50051", False),
        ("dns://resolver.example/localhost:50051", False),
        ("xds:///localhost", False),
        ("", False),
    ],
)
def test_a_token_stays_on_this_machine_unless_tls_hides_it(target: str, local: bool) -> None:
    assert is_local(target) is local
    if local:
        Credentials(token="secret").channel(target, []).close()
    else:
        with pytest.raises(InputError, match=r"is not sent to .* in plain text"):
            Credentials(token="secret").channel(target, [])
    Credentials(tls=True, token="secret").channel(target or "x", []).close()
    Credentials().channel(target or "x", []).close()


@pytest.mark.parametrize(("host", "loopback"), [("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("::", False)])
def test_loopback_is_127_and_one_and_nothing_else(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_both_clients_reach_a_server_that_asks_for_everything(
    snapshots: Path,
    tmp_path: Path,
    listen: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Authority(tmp_path, "shop-ca")
    cert, key = shop.issue("server")
    own_cert, own_key = shop.issue("client")
    (tmp_path / "tokens").write_text(line_of("s3cret", Caller("analyst", frozenset({Role.RECOMMEND}))))
    (tmp_path / "token").write_text("s3cret")
    target = listen(snapshots, tls_cert=cert, tls_key=key, tls_client_ca=shop.ca, tokens=tmp_path / "tokens")
    tls = ["--target", target, "--ca", str(shop.ca), "--cert", str(own_cert), "--key", str(own_key)]
    known = [*tls, "--token", f"@{tmp_path / 'token'}"]
    out = tmp_path / "lists.jsonl"
    monkeypatch.delenv("RECSYS_TOKEN", raising=False)

    assert console_client.main(["status", *known]) == 0
    assert console_client.main(["recommend", "user-03", *known]) == 0
    assert batch_client.main(["--users", "all", "--limit", "3", "--out", str(out), *known]) == 0
    assert out.read_text()
    assert "s3cret" not in "".join(capsys.readouterr())

    assert console_client.main(["recommend", "user-03", *tls]) == 1
    assert "UNAUTHENTICATED: the call must carry one bearer token" in capsys.readouterr().err
    monkeypatch.setenv("RECSYS_TOKEN", "s3cret")
    assert console_client.main(["recommend", "user-03", *tls]) == 0


def test_a_client_refuses_to_send_its_token_in_plain_text_before_it_calls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_TOKEN", "s3cret")

    assert console_client.main(["status", "--target", "192.0.2.1:50051"]) == 2

    error = capsys.readouterr().err
    assert "a token is not sent to 192.0.2.1:50051 in plain text" in error
    assert "s3cret" not in error


def test_help_says_why_a_token_is_not_taken_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    for main, arguments in ((console_client.main, ["status", "--help"]), (batch_client.main, ["--help"])):
        with pytest.raises(SystemExit):
            main(arguments)
        shown = " ".join(capsys.readouterr().out.split())
        assert "everyone on this machine can read command lines" in shown
