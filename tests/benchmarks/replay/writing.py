"""Events and items of the tables, written over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from time import perf_counter, sleep

import grpc
import polars as pl
from google.protobuf.timestamp_pb2 import Timestamp
from running_server import RunningServer

from protos.recommender.v1.catalog_service_pb2 import UpsertItemsRequest
from protos.recommender.v1.catalog_service_pb2_grpc import CatalogServiceStub
from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import WriteEventsRequest
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.item_pb2 import Item
from protos.recommender.v1.recommendation_service_pb2 import SimilarItemsRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub

MOST = 1000
CALL_LIMIT_S = 60.0
FOUND_LIMIT_S = 600.0
COUNTED_LIMIT_S = 600.0
IN_USE = "item statistics of now in use"
_OWN = {"item_id", "title", "category", "brand", "price"}


def write_events(target: str, events: pl.DataFrame) -> float:
    """Seconds until all of ``events`` were acknowledged, ``MOST`` a call. RuntimeError when one is refused."""
    started = perf_counter()
    with grpc.insecure_channel(target) as channel:
        stub = EventServiceStub(channel)
        for part in events.iter_slices(MOST):
            request = WriteEventsRequest(events=[_event(row) for row in part.iter_rows(named=True)])
            answer = stub.WriteEvents(request, timeout=CALL_LIMIT_S)
            if refused := [status.message for status in answer.statuses if status.code]:
                raise RuntimeError(f"{len(refused)} events were refused, the first: {refused[0]}")
    return perf_counter() - started


def write_items(target: str, items: pl.DataFrame, *, until_found: bool) -> float:
    """Seconds until all of ``items`` were acknowledged; ``until_found``: and the last is found by its meaning too."""
    started = perf_counter()
    with grpc.insecure_channel(target) as channel:
        stub = CatalogServiceStub(channel)
        for part in items.iter_slices(MOST):
            request = UpsertItemsRequest(items=[_item(row) for row in part.iter_rows(named=True)], allow_missing=True)
            answer = stub.UpsertItems(request, timeout=CALL_LIMIT_S)
            if refused := [status.message for status in answer.statuses if status.code]:
                raise RuntimeError(f"{len(refused)} items were refused, the first: {refused[0]}")
        if until_found and items.height:
            _wait_until_similar(channel, items.row(-1, named=True)["item_id"])
    return perf_counter() - started


def wait_until_counted(server: RunningServer, n_events: int) -> float:
    """Seconds until the server's item statistics are with so many events. RuntimeError when they never are."""
    started = perf_counter()
    while max((int(str(one["n_events"])) for one in server.logged(IN_USE)), default=0) < n_events:
        if perf_counter() - started > COUNTED_LIMIT_S:
            raise RuntimeError(f"{n_events} events were not counted within {COUNTED_LIMIT_S:g} s")
        sleep(0.1)
    return perf_counter() - started


def _wait_until_similar(channel: grpc.Channel, item_id: str) -> None:
    """Until what is like the item is known, which takes its vector."""
    stub = RecommendationServiceStub(channel)
    started = perf_counter()
    while not stub.SimilarItems(SimilarItemsRequest(item_id=item_id), timeout=CALL_LIMIT_S).results:
        if perf_counter() - started > FOUND_LIMIT_S:
            raise RuntimeError(f"item {item_id} was not embedded within {FOUND_LIMIT_S:g} s")
        sleep(0.1)


def _event(row: dict[str, object]) -> Event:
    time = row["timestamp"]
    assert isinstance(time, datetime)
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return Event(
        event_id=str(row["event_id"]),
        event_type=str(row["event_type"]),
        user_id=str(row["user_id"]),
        item_id=str(row["item_id"]),
        timestamp=stamp,
        session_id=str(row.get("session_id") or ""),
    )


def _item(row: dict[str, object]) -> Item:
    known = {name: row[name] for name in _OWN if row.get(name) is not None}
    item = Item(**known)  # type: ignore[arg-type]
    for name, value in _attributes(row):
        if isinstance(value, str):
            item.attributes[name].text = value
        else:
            item.attributes[name].number = float(value)
    return item


def _attributes(row: dict[str, object]) -> Iterator[tuple[str, str | float]]:
    for name, value in row.items():
        if name not in _OWN and isinstance(value, str | int | float):
            yield name, value
