"""Lists for many users from one snapshot: batches in flight on several connections, written in order."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    BatchRecommendResponse,
    RecommendRequest,
)
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from server.batch_files import Rows

BATCH = 64
IDS_OF_A_PAGE = 10_000
MOST_STARTS = 5
# Nobody waits for one list of an export, and batches may stand in line behind each other: near a deadline a
# server leaves out sources and the ranking. No server is silent for so long.
PATIENCE_S = 600.0
# Workers of one server swap within a poll of each other: one that answers from the old snapshot is asked again.
LAG_PAUSES_S = (0.25, 0.5, 1.0, 2.0)


class ExportFailed(Exception):
    """The export cannot be completed; one sentence for a person."""


class _Superseded(Exception):
    """The server went on to another snapshot in the middle: what is written so far is of no use."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for every user."""

    limit: int
    serving_config: str
    at: Timestamp | None
    filter: str = ""
    diversity: float | None = None


@dataclass(slots=True)
class Totals:
    """What an export came to; ``warnings`` counts the servers' sentences, and why answers were degraded."""

    snapshot_version: str = ""
    n_users: int = 0
    n_rows: int = 0
    warnings: Counter[str] = field(default_factory=Counter)


def all_users(channel: grpc.Channel, pauses_s: Sequence[float] = LAG_PAUSES_S) -> list[str]:
    """Every user the serving snapshot knows; begins again when it is replaced in between."""
    stub = SnapshotServiceStub(channel)
    for pause_s in (*pauses_s, None):
        users: list[str] = []
        token = ""
        try:
            while True:
                page = stub.ListUserIds(ListUserIdsRequest(page_size=IDS_OF_A_PAGE, page_token=token))
                users += page.user_ids
                token = page.next_page_token
                if not token:
                    return users
        except grpc.RpcError as error:
            is_stale = isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.INVALID_ARGUMENT
            if pause_s is None or not token or not is_stale:
                raise
        time.sleep(pause_s)
    raise AssertionError("the last round returns or raises")


class Export:
    """Asks for ``users`` in batches over ``channels``, one batch in flight on each."""

    def __init__(
        self, channels: Sequence[grpc.Channel], wish: Wish, *, pauses_s: Sequence[float] = LAG_PAUSES_S
    ) -> None:
        self._stubs = [RecommendationServiceStub(channel) for channel in channels]
        self._wish = wish
        self._pauses_s = pauses_s

    def run(self, users: Sequence[str], rows: Callable[[], Rows], progress: Callable[[int], None]) -> Totals:
        """Write one list a user to a fresh ``rows()``, all from one snapshot; ``progress`` is told how many are done.

        ExportFailed when a request is refused or snapshots change faster than the export runs.
        """
        for _ in range(MOST_STARTS):
            try:
                with rows() as out:
                    return self._run_once(users, out, progress)
            except _Superseded:
                progress(0)
        raise ExportFailed(f"the server changed its snapshot {MOST_STARTS} times during the export")

    def _run_once(self, users: Sequence[str], out: Rows, progress: Callable[[int], None]) -> Totals:
        totals = Totals()
        for ids, response in self._responses(users):
            totals.snapshot_version = totals.snapshot_version or response.snapshot_version
            if response.snapshot_version != totals.snapshot_version:
                response = self._caught_up(ids, totals.snapshot_version)
            for user_id, entry in zip(ids, response.responses, strict=True):
                if entry.HasField("status"):
                    raise ExportFailed(entry.status.message)
                results = entry.response.results
                out.add(user_id, [result.item_id for result in results], [result.score for result in results])
                totals.n_rows += len(results)
                totals.warnings.update(entry.response.warnings)
                totals.warnings.update(f"degraded: {reason}" for reason in entry.response.degraded_reasons)
            totals.n_users += len(ids)
            progress(totals.n_users)
        return totals

    def _responses(self, users: Sequence[str]) -> Iterator[tuple[Sequence[str], BatchRecommendResponse]]:
        """Batches of ids with their responses, in order; never more in flight or waiting than there are channels."""
        batches = [users[start : start + BATCH] for start in range(0, len(users), BATCH)]
        flying: deque[tuple[Sequence[str], Future[BatchRecommendResponse]]] = deque()
        with ThreadPoolExecutor(len(self._stubs)) as pool:
            try:
                for number, ids in zip(count(), batches):
                    if len(flying) == len(self._stubs):
                        done, future = flying.popleft()
                        yield done, future.result()
                    flying.append((ids, pool.submit(self._ask, ids, number)))
                for done, future in flying:
                    yield done, future.result()
            finally:
                for _, future in flying:
                    future.cancel()

    def _ask(self, ids: Sequence[str], number: int) -> BatchRecommendResponse:
        wish = self._wish
        requests = [
            RecommendRequest(
                user_id=id,
                page_size=wish.limit,
                filter=wish.filter,
                diversity=wish.diversity,
                serving_config=wish.serving_config,
                at=wish.at,
            )
            for id in ids
        ]
        stub = self._stubs[number % len(self._stubs)]
        response: BatchRecommendResponse = stub.BatchRecommend(
            BatchRecommendRequest(requests=requests), timeout=PATIENCE_S
        )
        return response

    def _caught_up(self, ids: Sequence[str], version: str) -> BatchRecommendResponse:
        """The answer from ``version``, asked again on other connections; _Superseded when the server has left it."""
        for number, pause_s in enumerate(self._pauses_s):
            time.sleep(pause_s)
            response = self._ask(ids, number)
            if response.snapshot_version == version:
                return response
        raise _Superseded
