"""Recommendations on a server of their own, for tests that replace its snapshots, its costs or its clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from protos.recommender.v1.recommendation_service_pb2_grpc import (
    RecommendationServiceStub,
    add_RecommendationServiceServicer_to_server,
)
from recsys.errors import NoSnapshot
from recsys.model import Snapshot
from recsys.snapshot.store import SnapshotStore
from server.clock import CLOCKS
from server.costs import Costs
from server.live import Live, Serving
from server.recommendation import Recommendations

# What a caller gives a call here, and what costs more than that: by the clock below nothing ever comes near to either.
PATIENCE_S = 60.0
TOO_LONG_S = 1e6


class StandingClock:
    """A monotonic clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def read(root: Path) -> Snapshot:
    """The current snapshot under ``root``."""
    store = SnapshotStore(root)
    return Snapshot.read(store.open(store.current()))


def serving(snapshot: Snapshot) -> Serving:
    """``snapshot`` as a process holds it that has been serving it for long."""
    return Serving.of(snapshot, since_s=0.0)


@contextmanager
def answering(live: Live, **more: Any) -> Iterator[RecommendationServiceStub]:
    """A stub of a server that answers from ``live``; ``more`` as Recommendations takes it."""
    server = grpc.server(ThreadPoolExecutor(1))
    add_RecommendationServiceServicer_to_server(Recommendations(live, CLOCKS["snapshot"], **more), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield RecommendationServiceStub(channel)
    server.stop(None).wait()


@contextmanager
def served(snapshot: Snapshot, costs: Costs) -> Iterator[RecommendationServiceStub]:
    """A stub of a server that answers from ``snapshot`` and expects stages to cost what ``costs`` say."""
    live = Live(NoSnapshot())
    live.swap(serving(snapshot))
    with answering(live, costs=costs) as stub:
        yield stub


def slow_ranking(costs: Costs) -> None:
    """Let ``costs`` expect that no ranking of home is ever done in time."""
    costs.learn(frozenset({"home"}), TOO_LONG_S)


def slow_source(costs: Costs, name: str) -> None:
    """Let ``costs`` expect that source ``name`` never answers in time."""
    costs.learn(("source", name), TOO_LONG_S)
