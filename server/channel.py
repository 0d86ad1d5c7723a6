"""How our clients reach a server: deadlines and retries of the package ``client``, and failures as one sentence."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from client.connection import KEEPALIVE_S, LARGEST_ANSWER, channel_options
from client.service_config import timeout_s
from recsys.errors import InputError
from server.addresses import resolved
from server.call_details import CallDetails
from server.credentials import Credentials, add_credentials

EXIT_CODES = "Exit codes: 0 done, 1 the server failed or refused, 2 bad arguments or files."
DEFAULT_TARGET = "127.0.0.1:50051"

_NOBODY = "nobody listens there"
_UNEXPECTED_END = "it closed the connection; does it speak TLS (--tls, --ca) or want a certificate (--cert, --key)?"
LARGEST_LIMIT = 200
_CAUSES = {
    "Hostname Verification": "its certificate is for another host",
    "CERTIFICATE_VERIFY_FAILED": "nobody we trust vouches for its certificate (--ca)",
    "WRONG_VERSION_NUMBER": "it speaks no TLS",
    "Socket closed": _UNEXPECTED_END,
    "reset by peer": _UNEXPECTED_END,
    "Broken pipe": _UNEXPECTED_END,
    "Connection refused": _NOBODY,
}
# To an address that gRPC could reach at once and had nothing good to say of.
_PROBE_S = 1.0


def connect(target: str, credentials: Credentials | None = None) -> grpc.Channel:
    """A channel to HOST:PORT with a connection of its own: several channels reach several workers of one port.

    In plain text and without a token unless ``credentials`` say otherwise; InputError when they do not fit the target.
    """
    channel = (credentials or Credentials()).channel(target, channel_options(KEEPALIVE_S, LARGEST_ANSWER))
    return grpc.intercept_channel(channel, _Deadlines())


class _Deadlines(grpc.UnaryUnaryClientInterceptor):
    """Gives each call that brings no deadline the one of service_config.json, which the channel itself lacks."""

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        details = CallDetails.of(client_call_details)
        if details.timeout is None:
            service, _, method = details.method.lstrip("/").partition("/")
            details = details._replace(timeout=timeout_s(service, method))
        return continuation(details, request)


def sentence_of(error: grpc.RpcError, target: str) -> str:
    """What went wrong, for a person."""
    if not isinstance(error, grpc.Call):
        return f"{target}: {error}"
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return f"no server is ready at {target}: {_cause(error.details() or '', target)}"
    status = rpc_status.from_call(error)
    violations = BadRequest()
    for detail in status.details if status is not None else ():
        if detail.Unpack(violations):
            return "; ".join(violation.description for violation in violations.field_violations)
    return f"{target} answers {error.code().name}: {error.details()}"


def _cause(details: str, target: str) -> str:
    """Why nobody could be reached: what gRPC's last error means where we know it, else what it says first."""
    for part, meaning in _CAUSES.items():
        if part in details:
            return _of_all_addresses(target) if meaning is _NOBODY else meaning
    return details.partition(";")[0]


def _of_all_addresses(target: str) -> str:
    """Why ``target`` could not be reached, whose last address refused: gRPC does not say what befell the others."""
    addresses = resolved(target)
    heard = next((one for one in addresses if _somebody_listens(*one)), None) if len(addresses) > 1 else None
    if heard is None:
        return _NOBODY
    host, port = heard
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    known = f"somebody listens at {where}, one of its {len(addresses)} addresses"
    return f"{known}, but speaks otherwise than we or is not trusted: --target {where} tells more"


def _somebody_listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_PROBE_S):
            return True
    except OSError:
        return False


def add_filter(parser: argparse.ArgumentParser) -> None:
    """``--filter``, the same for everything that lists items."""
    parser.add_argument(
        "--filter", metavar="TEXT", default="", help="""only items that pass, such as 'price < 20 AND brand = "X"'"""
    )


def add_diversity(parser: argparse.ArgumentParser) -> None:
    """``--diversity``, the same for everything that lists items."""
    parser.add_argument(
        "--diversity",
        metavar="X",
        type=_share,
        help="how much variety counts, 0 to 1; default as the serving config has it",
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return share


def add_target(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the flag --target, for which RECSYS_TARGET stands in, and those of TLS and tokens."""
    default = os.environ.get("RECSYS_TARGET", DEFAULT_TARGET)
    parser.add_argument("--target", metavar="HOST:PORT", type=_target, default=default, help="default %(default)s")
    add_credentials(parser)


def _target(text: str) -> str:
    """A target that gRPC can make something of: its own complaints are pages of its insides."""
    port = text.rpartition(":")[2]
    if not text.strip() or (port.isdecimal() and int(port) > 65_535):
        raise argparse.ArgumentTypeError(f"must be HOST:PORT with a port up to 65535, got {text!r}")
    return text


def limit(text: str) -> int:
    """How many items of a list are wanted, for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_LIMIT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {LARGEST_LIMIT}, got {text!r}")
    return int(text)


def timestamp_of_iso(text: str) -> Timestamp:
    """The Timestamp of an ISO 8601 time or date; UTC when it names no zone. InputError on anything else."""
    stamp = Timestamp()
    try:
        time = datetime.fromisoformat(text)
        stamp.FromDatetime((time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise InputError(f"--at must be an ISO 8601 time such as 2017-06-01T00:00:00Z, got {text!r}") from error
    return stamp
