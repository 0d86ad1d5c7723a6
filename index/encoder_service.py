"""``recsys-encoder``: the text encoder as a process of its own, so that no server imports torch."""

from __future__ import annotations

import argparse
import ipaddress
import signal
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from index.encoder import Encoder
from index.settings import EncoderSettings
from protos.encoder.v1 import encoder_service_pb2
from protos.encoder.v1.encoder_service_pb2 import EncodeTextsRequest, EncodeTextsResponse
from protos.encoder.v1.encoder_service_pb2_grpc import EncoderServiceServicer, add_EncoderServiceServicer_to_server
from recsys.arrays import Float32
from recsys.ending import Ending
from recsys.errors import InputError

DEFAULT_ADDRESS = "127.0.0.1:50061"
SERVICE = encoder_service_pb2.DESCRIPTOR.services_by_name["EncoderService"].full_name
MOST_TEXTS = 256
LONGEST_TEXT = 2000
# What waits behind the one that is being encoded; the rest is told at once, for its callers do not wait long.
MOST_WAITING = 64
GRACE_S = 10.0


class Encodes(Protocol):
    """What turns texts into vectors."""

    @property
    def name(self) -> str: ...
    def encode(self, texts: Sequence[str]) -> Float32: ...


class Encoding(EncoderServiceServicer):
    """EncoderService over one encoder."""

    def __init__(self, encoder: Encodes) -> None:
        self._encoder = encoder

    def EncodeTexts(self, request: EncodeTextsRequest, context: grpc.ServicerContext) -> EncodeTextsResponse:
        """One vector a text."""
        if len(request.texts) > MOST_TEXTS:
            sentence = f"texts must have at most {MOST_TEXTS} entries, got {len(request.texts)}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
        for position, text in enumerate(request.texts):
            if len(text) > LONGEST_TEXT:
                sentence = f"texts[{position}] must be at most {LONGEST_TEXT} characters, got {len(text)}"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
        if not context.is_active():
            context.abort(grpc.StatusCode.CANCELLED, "the caller does not wait any more")
        vectors = self._encoder.encode(list(request.texts))
        return EncodeTextsResponse(
            model=self._encoder.name, width=vectors.shape[1], vectors=vectors.astype("<f4").tobytes()
        )


def serve(encoder: Encodes, address: str) -> tuple[grpc.Server, health.HealthServicer, int]:
    """A started server of ``encoder``, its health and its port. InputError when ``address`` cannot be listened on."""
    # One thread: the encoder uses the cores itself, and two encodings at once take twice as long each.
    pool = ThreadPoolExecutor(1, thread_name_prefix="encode")
    server = grpc.server(pool, maximum_concurrent_rpcs=MOST_WAITING, options=[("grpc.so_reuseport", 0)])
    add_EncoderServiceServicer_to_server(Encoding(encoder), server)
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in (health.OVERALL_HEALTH, SERVICE):
        checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise InputError(f"--address {address} cannot be listened on") from error
    server.start()
    return server, checks, port


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; 0 after a graceful stop, 2 on what cannot work."""
    options = _parser().parse_args(arguments)
    with Ending(signal.SIGTERM, signal.SIGINT) as ending:
        try:
            _check_address(options.address, insecure=options.insecure)
            encoder = Encoder.load(options.model)
            # The first text costs more than all others: nobody shall wait for it.
            encoder.encode(["warm"])
            server, checks, port = serve(encoder, options.address)
        except InputError as error:
            print(f"recsys-encoder: {error}", file=sys.stderr)
            return 2
        address = options.address
        if not address.startswith("unix:"):
            address = f"{address.rpartition(':')[0]}:{port}"
        print(f"model {encoder.name}", flush=True)
        print(f"listening on {address}", flush=True)
        ending.wait()
        checks.enter_graceful_shutdown()
        server.stop(GRACE_S).wait()
    return 0


def _check_address(address: str, *, insecure: bool) -> None:
    if address.startswith("unix:"):
        _check_socket(address.removeprefix("unix:"))
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"--address must be HOST:PORT with a port of 0 to 65535, or unix:PATH, got {address!r}")
    if not insecure and not _is_loopback(host.removeprefix("[").removesuffix("]")):
        raise InputError(
            f"--address must be a loopback address or unix:PATH, got {host!r}; --insecure serves whoever can reach it "
            "all the same: it speaks plain text and knows no tokens"
        )


def _check_socket(path: str) -> None:
    """gRPC would take a socket's file away from whoever listens on it."""
    if not path:
        raise InputError("--address unix: lacks the path of a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return  # nobody has it, or nobody any more
        except OSError as error:
            raise InputError(f"--address unix:{path} cannot be listened on: {error.strerror or error}") from error
    raise InputError(f"--address unix:{path} is in use: another process listens there")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recsys-encoder",
        description="Turn texts into vectors for recsys-server --encoder ADDRESS, with the model of the snapshots.",
    )
    parser.add_argument(
        "--address", default=DEFAULT_ADDRESS, help=f"HOST:PORT or unix:PATH, default {DEFAULT_ADDRESS}; port 0: any"
    )
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        default=EncoderSettings().model,
        help="as [encoder] model of recsys.toml has it: the server compares the names; default %(default)s",
    )
    parser.add_argument("--insecure", action="store_true", help="an address that others can reach, in plain text")
    return parser


if __name__ == "__main__":
    sys.exit(main())
