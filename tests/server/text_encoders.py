"""Text encoders on ports of their own: a toy model behind the real service, and one that does as it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep

import grpc
import numpy as np

from index.encoder_service import serve
from protos.encoder.v1.encoder_service_pb2 import EncodeTextsRequest, EncodeTextsResponse
from protos.encoder.v1.encoder_service_pb2_grpc import EncoderServiceServicer, add_EncoderServiceServicer_to_server
from recsys.arrays import Float32

# Axes: shelf 0, 1, 2 and 3 of the tiny shop.
WIDTH = 4
MODEL = "toy"


class ToyEncoder:
    """Texts that say "shelf N" point along axis N, in any language: 架 counts too. ``asked``: what was encoded."""

    def __init__(self, name: str = MODEL, width: int = WIDTH) -> None:
        self.name = name
        self.width = width
        self.asked: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> Float32:
        self.asked.append(list(texts))
        vectors = np.full((len(texts), self.width), 0.1, np.float32)
        for row, text in enumerate(texts):
            for axis in range(min(self.width, WIDTH)):
                if f"shelf {axis}" in text.lower() or f"{axis}号架" in text:
                    vectors[row, axis] = 1.0
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@contextmanager
def running(encoder: ToyEncoder, address: str = "127.0.0.1:0") -> Iterator[str]:
    """The address of the real service over ``encoder``."""
    server, _, port = serve(encoder, address)
    yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
    server.stop(None).wait()


@contextmanager
def broken(
    code: grpc.StatusCode | None = None, *, width: int = 0, vectors: bytes = b""
) -> Iterator[tuple[str, list[int]]]:
    """The address of an encoder that fails with ``code``, or answers ``vectors``; and how often it was asked, grown."""
    calls: list[int] = []

    class Broken(EncoderServiceServicer):
        def EncodeTexts(self, request: EncodeTextsRequest, context: grpc.ServicerContext) -> EncodeTextsResponse:
            calls.append(len(request.texts))
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                # Hangs until its caller has gone.
                while context.is_active():
                    sleep(0.01)
            if code is not None:
                context.abort(code, "broken")
            return EncodeTextsResponse(model=MODEL, width=width, vectors=vectors)

    server = grpc.server(ThreadPoolExecutor(1))
    add_EncoderServiceServicer_to_server(Broken(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", calls
    server.stop(None).wait()
