"""The client for ordinary programs and threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import grpc

from client.calls import Blocking, BlockingCall, Metadata
from client.connection import KEEPALIVE_S, LARGEST_ANSWER, channel_credentials, channel_options
from client.many import LARGEST_BATCH, LARGEST_PAGE, Outcome, batches, outcomes
from client.rpcs import RPCS, Rpcs, timeouts
from protos.recommender.v1.recommendation_service_pb2 import BatchRecommendRequest


class Client(Rpcs, Blocking):
    """A connection to a server and its RPCs as methods. Make one a process, after any fork, and share it among threads.

    target: HOST:PORT or another of gRPC's notations · credentials: TLS, by ``grpc.ssl_channel_credentials`` ·
    call_credentials: a token for every call, needs credentials · insecure: plain text to another machine ·
    timeouts_s: seconds by method name, retries included, where they should differ from service_config.json ·
    wait_for_ready: wait for a server that is not there until the deadline, instead of failing with UNAVAILABLE ·
    keepalive_s: between pings while a call waits · largest_answer: bytes, 64 MiB by default.

    ValueError when an argument is none of these.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        call_credentials: grpc.CallCredentials | None = None,
        insecure: bool = False,
        timeouts_s: Mapping[str, float] | None = None,
        wait_for_ready: bool = False,
        keepalive_s: float = KEEPALIVE_S,
        largest_answer: int = LARGEST_ANSWER,
    ) -> None:
        seconds = timeouts(timeouts_s or {})
        options = channel_options(keepalive_s, largest_answer)
        secure = channel_credentials(target, credentials, call_credentials, insecure=insecure)
        if secure is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, secure, options)
        self.calls = {
            name: BlockingCall(rpc, self._channel, seconds[name], wait_for_ready) for name, rpc in RPCS.items()
        }

    def recommend_many(
        self,
        user_ids: Iterable[str],
        *,
        batch_size: int = LARGEST_BATCH,
        timeout_s: float | None = None,
        metadata: Metadata = (),
        **fields: Any,
    ) -> Iterator[Outcome]:
        """Each id of ``user_ids``, in order, with its answer or the ClientError that stands for it.

        ``fields`` are those of every RecommendRequest. Asks for ``batch_size`` users a call, at most 256, while answers
        are consumed; each call is answered by one snapshot and may take ``timeout_s``. ClientError when a call fails.
        """

        def answered(requests: Iterator[BatchRecommendRequest]) -> Iterator[Outcome]:
            for batch in requests:
                yield from outcomes(batch, self.batch_recommend(batch, timeout_s=timeout_s, metadata=metadata))

        return answered(batches(user_ids, batch_size, fields))

    def user_ids(self, *, page_size: int = LARGEST_PAGE) -> Iterator[str]:
        """Every user that the snapshot knows, each once, asked for page by page as they are consumed.

        ClientError INVALID_ARGUMENT when the snapshot is replaced in between: what came before is then of no use.
        """
        token = ""
        while True:
            page = self.list_user_ids(page_size=page_size, page_token=token)
            yield from page.user_ids
            token = page.next_page_token
            if not token:
                return

    def close(self) -> None:
        """Ends the connection; calls under way fail with CANCELLED."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
