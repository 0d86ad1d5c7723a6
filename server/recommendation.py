"""RecommendationService. Every method takes ``live.get()`` once, so an answer names one version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from google.rpc.status_pb2 import Status

from protos.recommender.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    BatchRecommendResponse,
    RecommendRequest,
    RecommendResponse,
    SearchRequest,
    SimilarItemsRequest,
)
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceServicer
from recsys.attribution import Attributions
from recsys.errors import InvalidRequest, RecsysError
from recsys.model import Snapshot
from recsys.query import Recommendation
from recsys.sealing import Keys, keys_of, new_key
from server.calls import Call, rpc
from server.clock import Clock, wall_time
from server.conversion import DEFAULT_SERVING_CONFIG, Asked
from server.costs import Costs
from server.deadlines import BATCH_PART, Deadline
from server.live import Live
from server.live_items import LiveItems
from server.page_tokens import PageTokens, refused
from server.questions import Page, Question, loaded
from server.rules import LONGEST_QUERY
from server.slates import SlateLog, slate_of
from server.state import LiveState
from server.statuses import DeadlinePassed, status_of
from server.text_encoder import Meanings, TextEncoder
from server.validation import check


class Recommendations(RecommendationServiceServicer):
    """Answers from whatever ``live`` holds; ``clock`` says what "now" is for requests that name no time.

    keys: what tokens are sealed with, one of its own when there is none · now: the time in epoch seconds for tokens ·
    costs: what stages have cost so far, by which deadlines are kept · encoder: of the texts of searches, None is none ·
    state: what happens between rebuilds, None is nothing · slates: where answers are logged, None: nowhere ·
    items: the catalogue of now over ``live``.
    """

    def __init__(
        self,
        live: Live,
        clock: Clock,
        *,
        keys: Keys = (),
        now: Callable[[], int] = wall_time,
        costs: Costs | None = None,
        encoder: TextEncoder | None = None,
        state: LiveState | None = None,
        slates: SlateLog | None = None,
        items: LiveItems | None = None,
    ) -> None:
        keys = keys or keys_of(new_key())
        self._clock = clock
        self._costs = costs or Costs()
        self._encoder = encoder or TextEncoder(None)
        self._state = state or LiveState(None)
        self._items = items or LiveItems(live, self._state)
        self._slates = slates or SlateLog(self._state, 0.0)
        self._pages = PageTokens(keys, now)
        self._attributions = Attributions(keys, now)

    @rpc
    def Recommend(self, request: RecommendRequest, call: Call) -> RecommendResponse:
        """The list for one user."""
        return self._one(request, call)

    @rpc
    def SimilarItems(self, request: SimilarItemsRequest, call: Call) -> RecommendResponse:
        """Items like ``request.item_id``."""
        return self._one(request, call)

    @rpc
    def Search(self, request: SearchRequest, call: Call) -> RecommendResponse:
        """Items that fit ``request.query``."""
        return self._one(request, call)

    @rpc
    def BatchRecommend(self, request: BatchRecommendRequest, call: Call) -> BatchRecommendResponse:
        """One response or status for each request, in order, all from one snapshot."""
        call.note(n_requests=len(request.requests))
        check(request)
        serving = self._items.reading(call.left_s).get()
        snapshot = serving.snapshot
        answered = BatchRecommendResponse(snapshot_version=snapshot.version)
        entries = [answered.responses.add() for _ in request.requests]
        # Meanings and people all in one go; the meanings that single requests then ask for are remembered.
        texts = [one.query for one in request.requests if 0 < len(one.query) <= LONGEST_QUERY and not one.validate_only]
        self._encoder.meanings(texts, snapshot, call.left_s)
        pages = self._pages_of_batch(request, entries, snapshot, call)
        people = self._state.people([page.who for page in pages.values()], call.left_s)
        wanted: list[tuple[BatchRecommendResponse.Entry, Question]] = []
        now = self._clock(serving)
        for (position, page), asker in zip(pages.items(), people, strict=True):
            entry, request_id = entries[position], f"{call.request_id}-{position}"
            try:
                meanings = self._meanings(page, snapshot, call)
                question = Question.of(
                    page, serving, lambda _: now, call.metadata, meanings, asker, request_id=request_id
                )
            except RecsysError as error:
                entry.status.CopyFrom(_status_in_batch(error, position, call))
            else:
                if page.request.validate_only:
                    entry.response.CopyFrom(question.checked())
                else:
                    wanted.append((entry, question))
        n_users_known = sum(question.query.user is not None for _, question in wanted)
        recommendations: list[Recommendation] = []
        n_results = 0
        deadline = self._deadline(call)
        while wanted:
            call.check_deadline()
            n_now = deadline.next_part([question for _, question in wanted]) if deadline else BATCH_PART
            if not n_now:
                # The answers that there are beat a failure of the whole batch.
                passed = status_of(DeadlinePassed(), call.request_id)
                for entry, _ in wanted:
                    entry.status.CopyFrom(passed)
                break
            part, wanted = wanted[:n_now], wanted[n_now:]
            later = [question for _, question in wanted]
            answers, responses = self._answers([question for _, question in part], deadline, later)
            recommendations += answers
            for (entry, _), response in zip(part, responses, strict=True):
                entry.response.CopyFrom(response)
                n_results += len(response.results)
        call.note(
            snapshot=snapshot.version,
            n_failed=sum(entry.HasField("status") for entry in entries),
            n_degraded=sum(bool(entry.response.degraded_reasons) for entry in entries),
            n_users_known=n_users_known,
            n_results=n_results,
        )
        call.note_stages(recommendations)
        return answered

    def _pages_of_batch(
        self,
        request: BatchRecommendRequest,
        entries: Sequence[BatchRecommendResponse.Entry],
        snapshot: Snapshot,
        call: Call,
    ) -> dict[int, Page]:
        """The pages that are asked for, by position; the entries of others get their status."""
        pages = {}
        for position, one in enumerate(request.requests):
            try:
                pages[position] = self._page_of_batch(one, snapshot)
            except RecsysError as error:
                entries[position].status.CopyFrom(_status_in_batch(error, position, call))
        return pages

    def _page_of_batch(self, request: RecommendRequest, snapshot: Snapshot) -> Page:
        page = Page.of(request, self._pages, lambda _: snapshot)
        version = snapshot.version
        if page.version not in (None, version):
            raise refused(
                f"page_token belongs to snapshot {page.version}, but a batch is answered from the one being served, "
                f"{version}: continue the list by Recommend, or begin it again"
            )
        return page

    def _one(self, request: Asked, call: Call) -> RecommendResponse:
        live = self._items.reading(call.left_s)
        page = Page.of(request, self._pages, lambda version: loaded(live, version))
        call.note(labels=dict(request.labels), platform=request.platform, n_shown_before=len(page.shown))
        serving = page.serving(live)
        name = page.request.serving_config or DEFAULT_SERVING_CONFIG
        call.note(snapshot=serving.snapshot.version, serving_config=name)
        meanings = self._meanings(page, serving.snapshot, call)
        (asker,) = self._state.people([page.who], call.left_s)
        question = Question.of(page, serving, self._clock, call.metadata, meanings, asker, request_id=call.request_id)
        call.note(user_known=question.query.user is not None, n_live_events=len(question.person.events))
        if request.validate_only:
            return question.checked()
        call.check_deadline()
        answers, (response,) = self._answers([question], self._deadline(call))
        call.note(n_results=len(response.results))
        if response.degraded_reasons:
            call.note(degraded=list(response.degraded_reasons))
        call.note_stages(answers)
        return response

    def _meanings(self, page: Page, snapshot: Snapshot, call: Call) -> Meanings:
        text = "" if page.request.validate_only else page.request.query
        return self._encoder.meanings([text] if text else [], snapshot, call.left_s)

    def _deadline(self, call: Call) -> Deadline | None:
        left_s = call.left_s
        return None if left_s is None else Deadline.of(left_s, self._costs)

    def _answers(
        self, questions: Sequence[Question], deadline: Deadline | None, later: Sequence[Question] = ()
    ) -> tuple[list[Recommendation], list[RecommendResponse]]:
        """The answers to ``questions`` of one snapshot within ``deadline``, and as they travel."""
        budget = None if deadline is None else deadline.budget(questions, later)
        queries = [question.asked(keep_features=self._slates.wants(question.request_id)) for question in questions]
        answers = questions[0].snapshot.pipeline.recommend_many(queries, budget)
        started = perf_counter()
        responses = []
        for question, answer in zip(questions, answers, strict=True):
            response, page = question.answered(answer, tokens=self._pages, attributions=self._attributions)
            responses.append(response)
            if self._slates.wants(question.request_id):
                self._slates.keep(slate_of(question, page))
        if deadline is not None:
            deadline.learn(questions, answers, perf_counter() - started)
        return answers, responses


def _status_in_batch(error: RecsysError, position: int, call: Call) -> Status:
    named = error.below(f"requests[{position}]") if isinstance(error, InvalidRequest) else error
    return status_of(named, call.request_id)
