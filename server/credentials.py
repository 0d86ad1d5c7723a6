"""How our clients prove who they are and check whom they talk to: TLS, client certificates and bearer tokens."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from recsys.errors import InputError
from server.addresses import is_local
from server.call_details import CallDetails
from server.tls import check_authority, check_pair

TOKEN_VARIABLE = "RECSYS_TOKEN"


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM bytes and a token, each empty without one. ``tls`` without ``ca``: the roots that gRPC brings along."""

    tls: bool = False
    ca: bytes = b""
    cert: bytes = b""
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)

    def channel(self, target: str, options: Sequence[tuple[str, Any]]) -> grpc.Channel:
        """A channel to ``target``. InputError when the token would travel to another machine in plain text."""
        if self.tls:
            certified = grpc.ssl_channel_credentials(self.ca or None, self.key or None, self.cert or None)
            if self.token:
                token = grpc.access_token_call_credentials(self.token)
                certified = grpc.composite_channel_credentials(certified, token)
            return grpc.secure_channel(target, certified, options=options)
        if not self.token:
            return grpc.insecure_channel(target, options=options)
        if not is_local(target):
            raise InputError(
                f"a token is not sent to {target} in plain text, where others can read it: give --tls or --ca"
            )
        # gRPC sends call credentials over TLS only. A proxy from the environment would be another machine.
        channel = grpc.insecure_channel(target, options=[*options, ("grpc.enable_http_proxy", 0)])
        return grpc.intercept_channel(channel, _Bearer(self.token))


class _Bearer(grpc.UnaryUnaryClientInterceptor):
    """Adds the token to every call of a channel that stays on this machine."""

    def __init__(self, token: str) -> None:
        self._metadata = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        details = CallDetails.of(client_call_details)
        return continuation(details._replace(metadata=[*details.metadata, self._metadata]), request)


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the flags --tls, --ca, --cert, --key and --token."""
    group = parser.add_argument_group("TLS and tokens")
    group.add_argument("--tls", action="store_true", help="speak TLS; --ca and --cert imply it")
    group.add_argument("--ca", metavar="FILE", help="PEM: who vouches for the server; default the roots gRPC brings")
    group.add_argument("--cert", metavar="FILE", help="PEM: our certificate, for servers that ask for one")
    group.add_argument("--key", metavar="FILE", help="PEM: the certificate's key, without a passphrase")
    group.add_argument(
        "--token",
        metavar="@FILE",
        help=f"file of our token, or {TOKEN_VARIABLE} (the token or @file); a token itself is not taken here, "
        "for everyone on this machine can read command lines",
    )


def credentials_of(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Credentials:
    """What the flags of ``add_credentials`` and RECSYS_TOKEN come to. InputError on a file that is of no use."""
    if (options.cert is None) != (options.key is None):
        raise InputError("--cert and --key must be given together")
    if options.token is not None and not options.token.startswith("@"):
        # Not repeated: it may be the token.
        raise InputError(
            f"--token must be @FILE: a token on the command line can be read by everyone, set {TOKEN_VARIABLE} instead"
        )
    credentials = Credentials(
        tls=options.tls or options.ca is not None or options.cert is not None,
        ca=_contents("--ca", options.ca),
        cert=_contents("--cert", options.cert),
        key=_contents("--key", options.key),
        token=_token(options.token or environment.get(TOKEN_VARIABLE, "")),
    )
    # gRPC would only say, at the first call, that nobody can be reached.
    if options.ca is not None:
        check_authority(credentials.ca, f"--ca {options.ca}")
    if options.cert is not None:
        check_pair(Path(options.cert), Path(options.key))
    return credentials


def _token(value: str) -> str:
    token = value
    if value.startswith("@"):
        try:
            token = _contents("--token", value[1:]).decode("ascii")
        except ValueError:
            raise InputError(f"--token {value} must hold a token and nothing else") from None
    token = token.strip()
    if value and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise InputError(f"{f'--token {value}' if value.startswith('@') else TOKEN_VARIABLE} must hold one token")
    return token


def _contents(name: str, path: str | None) -> bytes:
    if path is None:
        return b""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{name} {path} cannot be read: {error.strerror}") from error
