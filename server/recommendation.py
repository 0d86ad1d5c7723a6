"""RecommendationService. Every method takes ``live.get()`` once, so an answer names one version."""

from __future__ import annotations

from dataclasses import dataclass

from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    BatchRecommendResponse,
    RecommendRequest,
    RecommendResponse,
    SimilarItemsRequest,
)
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceServicer
from recsys.ask import Ask, Resolved, resolve
from recsys.errors import RecsysError
from recsys.model import Snapshot
from recsys.query import Recommendation
from server.calls import Call, rpc
from server.clock import Clock
from server.conversion import Shape, ask_of, response_of, shape_of, similar_ask_of
from server.live import Live
from server.statuses import status_of
from server.validation import check

# A batch is answered in parts of this size, so that a caller who gave up is noticed and memory stays bounded.
BATCH_PART = 32


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A request of a batch that can be answered: its position, its query and the shape of its answer."""

    position: int
    resolved: Resolved
    shape: Shape


class Recommendations(RecommendationServiceServicer):
    """Answers from whatever ``live`` holds; ``clock`` says what "now" is for requests that name no time."""

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live = live
        self._clock = clock

    @rpc
    def Recommend(self, request: RecommendRequest, call: Call) -> RecommendResponse:
        """The list for one user."""
        check(request)
        call.note(labels=dict(request.labels))
        serving = self._live.get()
        return self._answer(serving.snapshot, ask_of(request, now=self._clock(serving)), shape_of(request), call)

    @rpc
    def SimilarItems(self, request: SimilarItemsRequest, call: Call) -> RecommendResponse:
        """Items like ``request.item_id``."""
        check(request)
        call.note(labels=dict(request.labels))
        serving = self._live.get()
        ask = similar_ask_of(request, now=self._clock(serving))
        return self._answer(serving.snapshot, ask, shape_of(request), call)

    @rpc
    def BatchRecommend(self, request: BatchRecommendRequest, call: Call) -> BatchRecommendResponse:
        """One response or status for each request, in order, all from one snapshot."""
        call.note(n_requests=len(request.requests))
        check(request)
        serving = self._live.get()
        snapshot = serving.snapshot
        now = self._clock(serving)
        entries = [BatchRecommendResponse.Entry() for _ in request.requests]
        wanted = []
        for position, one in enumerate(request.requests):
            try:
                check(one)
                resolved = resolve(ask_of(one, now=now), snapshot)
            except RecsysError as error:
                entries[position].status.CopyFrom(status_of(error, call.request_id))
            else:
                wanted.append(_Wanted(position, resolved, shape_of(one)))
        recommendations = []
        for start in range(0, len(wanted), BATCH_PART):
            call.check_deadline()
            part = wanted[start : start + BATCH_PART]
            answers = snapshot.pipeline.recommend_many([each.resolved.query for each in part])
            recommendations += answers
            for answered, recommendation in zip(part, answers, strict=True):
                response = _response(snapshot, answered.resolved, recommendation, answered.shape, call)
                entries[answered.position].response.CopyFrom(response)
        call.note(
            snapshot=snapshot.version,
            n_failed=len(request.requests) - len(wanted),
            n_users_known=sum(each.resolved.query.user is not None for each in wanted),
            n_results=sum(len(recommendation.slate) for recommendation in recommendations),
        )
        call.note_stages(recommendations)
        return BatchRecommendResponse(responses=entries, snapshot_version=snapshot.version)

    def _answer(self, snapshot: Snapshot, ask: Ask, shape: Shape, call: Call) -> RecommendResponse:
        call.note(snapshot=snapshot.version, serving_config=ask.serving_config)
        resolved = resolve(ask, snapshot)
        recommendation = snapshot.pipeline.recommend(resolved.query)
        call.note(user_known=resolved.query.user is not None, n_results=len(recommendation.slate))
        call.note_stages([recommendation])
        return _response(snapshot, resolved, recommendation, shape, call)


def _response(
    snapshot: Snapshot, resolved: Resolved, recommendation: Recommendation, shape: Shape, call: Call
) -> RecommendResponse:
    return response_of(snapshot, resolved, recommendation, shape=shape, request_id=call.request_id)
