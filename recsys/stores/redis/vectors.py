"""Vectors of texts in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recsys.arrays import Float32, frozen
from recsys.stores.redis import scripts
from recsys.stores.redis.connection import PREFIX, Argument, Server


class RedisVectorStore:
    """``VectorStore``."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def put(self, model: str, vectors: Mapping[str, Float32]) -> None:
        arguments: list[Argument] = [model]
        for digest, vector in vectors.items():
            arguments += (digest, np.asarray(vector, "<f4").tobytes())
        if vectors:
            self._server.write(scripts.PUT_VECTORS, arguments)

    def get(self, model: str, digests: Sequence[str]) -> dict[str, Float32]:
        if not digests:
            return {}
        found = self._server.command("HMGET", f"{PREFIX}vectors:{model}", *digests)
        return {
            digest: frozen(np.frombuffer(raw, "<f4"), np.float32)
            for digest, raw in zip(digests, found, strict=True)
            if raw is not None
        }
