"""Two workers on one state store, in this process, for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


class Shop:
    """``writer`` and ``reader`` are channels to two workers; ``state`` is the folder that both keep."""

    def __init__(self, workers: Workers, settings: Settings) -> None:
        self.state = Path(settings.state)
        self.writer, self.reader = (workers.start(settings) for _ in range(WORKERS))
        self.target = workers.targets[0]
        self.users = UserServiceStub(self.writer)
        self.catalog = CatalogServiceStub(self.writer)
        # What is kept in the background is there once this returned.
        self.stop = workers.stop

    def write(self, *events: Event) -> WriteEventsResponse:
        """The first worker's acknowledgement."""
        return EventServiceStub(self.writer).WriteEvents(WriteEventsRequest(events=events))

    def recommend(self, **fields: Any) -> pb.RecommendResponse:
        """The other worker's answer."""
        fields = {"page_size": 200, "explain": pb.EXPLAIN_SUMMARY, **fields}
        return RecommendationServiceStub(self.reader).Recommend(pb.RecommendRequest(**fields))

    def took(self, **who: Any) -> set[str]:
        """Items that the other worker's answer takes for the asker's own."""
        answer = self.recommend(serving_config="buy-again", **who)
        return {result.item_id for result in answer.results}


Shops = Callable[..., Shop]


def bought(item_id: str = "1-i57", **fields: Any) -> Event:
    return Event(**{"event_type": "purchase", "item_id": item_id, **fields})


def viewed(item_id: str, **fields: Any) -> Event:
    return bought(item_id, event_type="view", **fields)
