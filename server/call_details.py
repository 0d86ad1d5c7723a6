"""What a client's interceptor may change of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import grpc


class CallDetails(NamedTuple):
    """What gRPC reads of a call; ``_replace`` makes one that differs. timeout: seconds."""

    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None

    @classmethod
    def of(cls, details: grpc.ClientCallDetails) -> Self:
        """Those that gRPC hands an interceptor."""
        return cls(
            details.method,
            details.timeout,
            [*(details.metadata or ())],
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )
