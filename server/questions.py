"""From a request to the one page it asks for: checked, continued where it carries a page token, resolved to a query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest, RecommendResponse
from recsys.ask import Resolved, resolve
from recsys.attribution import Attributions
from recsys.errors import InvalidRequest, RecsysError, Unavailable, Violation
from recsys.filters.grammar import parse
from recsys.model import Snapshot
from recsys.pipeline import said_of_filling
from recsys.query import Query, Recommendation
from recsys.stores.records import Person
from server.conversion import Asked, Shape, alone, as_recommend, ask_of, normalised, response_of, shape_of
from server.live import Serving, Servings
from server.page_tokens import LONGEST_PAGE_TOKEN, PageTokens, continued, refused
from server.rules import Fits
from server.state import STATE_UNAVAILABLE, Found
from server.text_encoder import NO_MEANINGS, WORDS_ALONE, Meanings
from server.validation import broken_rules, check

# Candidates are some hundreds; what fills a list beyond them is the same for everyone and ends here.
LONGEST_LIST = 1000


Answering = Callable[[str | None], Snapshot | None]


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for: the arguments as they hold, the items already shown (by number), and of which snapshot.

    version: None for the one being served · age_s: seconds since the page token was given out.
    """

    request: RecommendRequest
    shown: tuple[int, ...] = ()
    version: str | None = None
    age_s: int = 0

    @property
    def who(self) -> tuple[str, str]:
        """user_id and visitor_id."""
        return self.request.user_id, self.request.visitor_id

    @classmethod
    def of(cls, request: Asked, tokens: PageTokens, answering: Answering) -> Page:
        """The page that ``request`` asks for. InvalidRequest with every broken rule, those of its token too.

        answering: by the version a token names, the snapshot whose items a filter must fit; None where there is none.
        """
        given = as_recommend(request)
        if not request.page_token:
            check(request, _fits(answering(None)))
            return cls(given)
        fits = _fits(answering(None))
        of_token: list[Violation] = []
        if len(request.page_token) <= LONGEST_PAGE_TOKEN:
            try:
                continuation = tokens.opened(request.page_token)
                fits = _fits(answering(continuation.version))
                whole = continued(continuation, given)
                if not given.filter:
                    of_token += broken_rules(RecommendRequest(filter=whole.filter), given_only=True, fits=fits)
            except InvalidRequest as error:
                of_token += error.violations
        violations = [*broken_rules(request, given_only=True, fits=fits), *of_token]
        if violations:
            raise InvalidRequest(violations)
        return cls(whole, continuation.shown, continuation.version, continuation.age_s)

    def serving(self, live: Servings) -> Serving:
        """The snapshot to answer from. InvalidRequest when it is gone, Unavailable when it is not there yet."""
        now = live.get()
        if self.version is None or self.version == now.snapshot.version:
            return now
        before = live.before(self.version)
        if before is not None:
            return before
        if self.age_s < monotonic() - now.since_s:
            # Given out since this process last changed its snapshot: another one was faster.
            raise Unavailable
        raise refused(f"page_token belongs to snapshot {self.version}, which is no longer loaded: begin the list again")


def loaded(live: Servings, version: str | None) -> Snapshot | None:
    """The snapshot of ``version``, or the one being served for None; None when it is not loaded."""
    try:
        now = live.get().snapshot
    except RecsysError:
        return None
    if version in (None, now.version):
        return now
    before = live.before(version) if version else None
    return before.snapshot if before is not None else None


def _fits(snapshot: Snapshot | None) -> Fits:
    return parse if snapshot is None else snapshot.filters.check


@dataclass(frozen=True, slots=True)
class Question:
    """One page, resolved against ``snapshot``: ``resolved`` counts its own items, ``query`` those before it too.

    person: who asks · degraded: why the meaning of its text was not looked for, "" where it was · has_state: what the
    state store knows of them and of items is part of it, or there is no store · request_id: names the answer.
    """

    snapshot: Snapshot
    page: Page
    resolved: Resolved
    request: RecommendRequest
    shape: Shape
    request_id: str
    person: Person
    has_state: bool
    degraded: str = ""

    @classmethod
    def of(
        cls,
        page: Page,
        serving: Serving,
        now: Callable[[Serving], int],
        metadata: Callable[[str], str] = lambda _: "",
        meanings: Meanings = NO_MEANINGS,
        asker: Found | None = None,
        *,
        request_id: str,
    ) -> Question:
        """``metadata`` gives the call's by key; ``meanings`` the vector of its text; ``asker`` who asks, None: as the
        ids alone tell. Errors as ``resolve``.
        """
        snapshot = serving.snapshot
        text = page.request.query
        asker = asker or Found(alone(*page.who))
        vector = meanings.vectors.get(text)
        resolved = resolve(ask_of(page.request, now=now(serving), vector=vector, person=asker.person), snapshot)
        request = normalised(page.request, resolved.query)
        n_left = LONGEST_LIST - len(page.shown)
        if resolved.query.limit > n_left:
            warning = f"the list ends here: it has at most {LONGEST_LIST} items"
            resolved = replace(
                resolved, query=replace(resolved.query, limit=n_left), warnings=(*resolved.warnings, warning)
            )
        degraded = meanings.degraded if text else ""
        shape = shape_of(page.request, metadata)
        is_whole = asker.is_whole and serving.is_current
        return cls(snapshot, page, resolved, request, shape, request_id, asker.person, is_whole, degraded)

    @property
    def query(self) -> Query:
        """The list up to the end of the page, and one item more, which tells whether it goes on."""
        own = self.resolved.query
        end = len(self.page.shown) + own.limit
        return replace(own, limit=end + 1, account=end if own.account else 0)

    def asked(self, *, keep_features: bool) -> Query:
        """``query``, of which the answer carries features where that or its explanation wants them."""
        return replace(self.query, keep_features=True) if keep_features else self.query

    def checked(self) -> RecommendResponse:
        """What validate_only answers."""
        return RecommendResponse(
            missing_ids=dict.fromkeys(self.resolved.missing_ids),
            warnings=self.resolved.warnings,
            snapshot_version=self.snapshot.version,
            request_id=self.request_id,
            normalised_request=self.request,
        )

    def answered(
        self, whole: Recommendation, *, tokens: PageTokens, attributions: Attributions
    ) -> tuple[RecommendResponse, Recommendation]:
        """The page out of the answer to ``query``, with its tokens, and as it was before it could travel."""
        version, limit = self.snapshot.version, self.resolved.query.limit
        # Not the rows behind so many others: a list that changed, for a source fails, still shows no item twice.
        left = whole.without(self.page.shown, limit=limit + 1)
        new = left.without((), limit=limit)
        new = replace(new, warnings=said_of_filling(self.resolved.query, new.slate))
        response = response_of(self.snapshot, self.resolved, new, shape=self.shape, request_id=self.request_id)
        if self.degraded:
            response.degraded_reasons.append(self.degraded)
            response.warnings.append(WORDS_ALONE)
        if not self.has_state:
            response.degraded_reasons.append(STATE_UNAVAILABLE)
        shown = (*self.page.shown, *new.slate.items.tolist())
        # A source that was skipped may have more to say on the next page; a page of nothing would never end.
        goes_on = len(left.slate) > limit or (len(new.slate) > 0 and bool(new.skipped_sources))
        if goes_on and len(shown) < LONGEST_LIST:
            response.next_page_token = tokens.issue(version=version, shown=shown, request=self.request)
        response.attribution_token = attributions.issue(
            snapshot_version=version,
            serving_config=self.request.serving_config,
            request_id=self.request_id,
            served_by=response.served_by,
        )
        return response, new
