"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Self

import grpc

from client.calls import AwaitableCall, Awaiting, Metadata
from client.connection import KEEPALIVE_S, LARGEST_ANSWER, channel_credentials, channel_options
from client.many import LARGEST_BATCH, LARGEST_PAGE, Outcome, batches, outcomes
from client.rpcs import RPCS, Rpcs, timeouts
from protos.recommender.v1.recommendation_service_pb2 import BatchRecommendRequest


class AsyncClient(Rpcs, Awaiting):
    """As Client, for one event loop: make it where that loop runs (RuntimeError elsewhere) and await its methods."""

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
        # gRPC would silently take another loop, and calls would then hang.
        asyncio.get_running_loop()
        seconds = timeouts(timeouts_s or {})
        options = channel_options(keepalive_s, largest_answer)
        secure = channel_credentials(target, credentials, call_credentials, insecure=insecure)
        if secure is None:
            self._channel = grpc.aio.insecure_channel(target, options)
        else:
            self._channel = grpc.aio.secure_channel(target, secure, options)
        self.calls = {
            name: AwaitableCall(rpc, self._channel, seconds[name], wait_for_ready) for name, rpc in RPCS.items()
        }

    def recommend_many(
        self,
        user_ids: Iterable[str],
        *,
        batch_size: int = LARGEST_BATCH,
        timeout_s: float | None = None,
        metadata: Metadata = (),
        **fields: Any,
    ) -> AsyncIterator[Outcome]:
        """As Client.recommend_many, for ``async for``."""

        async def answered(requests: Iterator[BatchRecommendRequest]) -> AsyncIterator[Outcome]:
            for batch in requests:
                response = await self.batch_recommend(batch, timeout_s=timeout_s, metadata=metadata)
                for outcome in outcomes(batch, response):
                    yield outcome

        return answered(batches(user_ids, batch_size, fields))

    async def user_ids(self, *, page_size: int = LARGEST_PAGE) -> AsyncIterator[str]:
        """As Client.user_ids, for ``async for``."""
        token = ""
        while True:
            page = await self.list_user_ids(page_size=page_size, page_token=token)
            for user_id in page.user_ids:
                yield user_id
            token = page.next_page_token
            if not token:
                return

    async def close(self) -> None:
        """Ends the connection; calls under way fail with CANCELLED."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
