"""Lists for many users: the requests of each batch, and what came of each user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from client.errors import ClientError, error_of_status
from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    BatchRecommendResponse,
    RecommendRequest,
    RecommendResponse,
)

LARGEST_BATCH = 256
LARGEST_PAGE = 10_000

# A user's id with the answer, or with why there is none.
Outcome = tuple[str, RecommendResponse | ClientError]


def batches(user_ids: Iterable[str], n_users: int, fields: dict[str, Any]) -> Iterator[BatchRecommendRequest]:
    """Requests for at most ``n_users`` each, in order; ``fields`` are those of every RecommendRequest.

    TypeError when ``user_ids`` is one id; ValueError when ``n_users`` is not 1 to 256, or for a field there is not.
    """
    if isinstance(user_ids, str):
        raise TypeError(f"user_ids must be several ids, got the text {user_ids!r}")
    if not 1 <= n_users <= LARGEST_BATCH:
        raise ValueError(f"batch_size must be from 1 to {LARGEST_BATCH}, got {n_users}")
    if "user_id" in fields:
        raise TypeError("user_id is that of each of user_ids, it cannot be given for all")
    return _batches(iter(user_ids), n_users, RecommendRequest(**fields))


def _batches(user_ids: Iterator[str], n_users: int, template: RecommendRequest) -> Iterator[BatchRecommendRequest]:
    while ids := list(islice(user_ids, n_users)):
        batch = BatchRecommendRequest()
        for user_id in ids:
            request = batch.requests.add()
            request.CopyFrom(template)
            request.user_id = user_id
        yield batch


def outcomes(batch: BatchRecommendRequest, response: BatchRecommendResponse) -> Iterator[Outcome]:
    """One outcome for each request of ``batch``, in order."""
    for request, entry in zip(batch.requests, response.responses, strict=True):
        failed = entry.HasField("status")
        yield request.user_id, error_of_status(entry.status) if failed else entry.response
