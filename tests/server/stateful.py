"""Two workers on one state store, for tests: in this process, or wherever two channels lead to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from protos.recommender.v1 import recommendation_service_pb2 as pb
from protos.recommender.v1.catalog_service_pb2_grpc import CatalogServiceStub
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import WriteEventsRequest, WriteEventsResponse
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.user_service_pb2_grpc import UserServiceStub
from server.settings import Settings

from .workers import Workers

TOKEN_KEY = "5e" * 32
WORKERS = 2


class TwoWorkers:
    """``writer`` and ``reader`` are channels to two workers; no call waits for longer than ``patience_s``."""

    def __init__(self, writer: grpc.Channel, reader: grpc.Channel, patience_s: float | None = None) -> None:
        self.writer, self.reader = writer, reader
        self.users = UserServiceStub(writer)
        self.catalog = CatalogServiceStub(writer)
        self._patience_s = patience_s

    def write(self, *events: Event) -> WriteEventsResponse:
        """The first worker's acknowledgement."""
        return EventServiceStub(self.writer).WriteEvents(WriteEventsRequest(events=events), timeout=self._patience_s)

    def recommend(self, **fields: Any) -> pb.RecommendResponse:
        """The other worker's answer."""
        fields = {"page_size": 200, "explain": pb.EXPLAIN_SUMMARY, **fields}
        request = pb.RecommendRequest(**fields)
        return RecommendationServiceStub(self.reader).Recommend(request, timeout=self._patience_s)

    def took(self, **who: Any) -> set[str]:
        """Items that the other worker's answer takes for the asker's own."""
        answer = self.recommend(serving_config="buy-again", **who)
        return {result.item_id for result in answer.results}


class Shop(TwoWorkers):
    """Two workers in this process; ``state`` is the folder that both keep."""

    def __init__(self, workers: Workers, settings: Settings) -> None:
        super().__init__(*(workers.start(settings) for _ in range(WORKERS)))
        self.state = Path(settings.state)
        self.target = workers.targets[0]
        # What is kept in the background is there once this returned.
        self.stop = workers.stop


Shops = Callable[..., Shop]


def bought(item_id: str = "1-i57", **fields: Any) -> Event:
    return Event(**{"event_type": "purchase", "item_id": item_id, **fields})


def viewed(item_id: str, **fields: Any) -> Event:
    return bought(item_id, event_type="view", **fields)
