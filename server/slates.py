"""The log of what was shown: a sampled share of answers, kept in the background and never waited for."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

import numpy as np

from recsys.errors import StateUnavailable
from recsys.query import Recommendation
from recsys.recent import SECOND_US
from recsys.stores.records import ShownItem, ShownSlate
from server.questions import Question
from server.state import LiveState

LOG = logging.getLogger(__name__)
# Some megabytes, and seconds of a busy worker.
MOST_WAITING = 2000
MOST_TOGETHER = 200
TOLD_EVERY_S = 10.0
# Of a request id's random hex digits.
_DIGITS = 8


class SlateLog:
    """Keeps ``share`` of all answers in ``state`` from a thread of its own; what is not kept is counted and logged."""

    def __init__(self, state: LiveState, share: float, clock: Callable[[], float] = monotonic) -> None:
        self._state = state
        self._share = share if state.is_configured else 0.0
        self._clock = clock
        self._waiting: deque[ShownSlate] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._n_dropped = 0
        self._told_at_s = -TOLD_EVERY_S
        self._thread = threading.Thread(target=self._keep_on, name="slates", daemon=True)
        if self._share:
            self._thread.start()

    def wants(self, request_id: str) -> bool:
        """Whether the answer of this id is one of the share: the same whoever asks."""
        return self._share > 0 and int(request_id[:_DIGITS], 16) < self._share * 16**_DIGITS

    def keep(self, slate: ShownSlate) -> None:
        """Have ``slate`` kept soon; when too many wait it is dropped."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._n_dropped += 1
            else:
                self._waiting.append(slate)
                self._changed.notify()

    def close(self, wait_s: float | None = None) -> bool:
        """Keep what waits, then end; False when that takes longer than ``wait_s``."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._share:
            self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _keep_on(self) -> None:
        while slates := self._next():
            try:
                self._state.store().slates.append(slates)
            except StateUnavailable:
                self._n_dropped += len(slates)
            except Exception:
                LOG.exception("keeping slates failed")
                self._n_dropped += len(slates)
            self._tell()

    def _next(self) -> list[ShownSlate]:
        """What waits, when there is something; [] at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]

    def _tell(self) -> None:
        if self._n_dropped and (self._is_closed or self._clock() - self._told_at_s >= TOLD_EVERY_S):
            LOG.warning("slates were not kept", extra={"fields": {"n_slates": self._n_dropped}})
            self._n_dropped, self._told_at_s = 0, self._clock()


def slate_of(question: Question, page: Recommendation) -> ShownSlate:
    """``page``, the answer to ``question``, as it is kept."""
    query = question.resolved.query
    names = np.array(page.provenance.names)
    explored = [False] * len(page.slate) if page.explored is None else page.explored.tolist()
    chances = [None] * len(page.slate) if page.propensities is None else page.propensities.tolist()
    items = []
    rows = zip(
        question.snapshot.catalogue.items.ids(page.slate.items), page.provenance.ranks, explored, chances, strict=True
    )
    for id, ranks, is_explored, chance in rows:
        order = np.argsort(ranks, kind="stable")  # NaN, not proposed by it, comes last
        sources = tuple(names[order[: int(np.isfinite(ranks).sum())]].tolist())
        items.append(ShownItem(id, sources, is_explored, chance))
    return ShownSlate(
        request_id=question.request_id,
        time_us=query.at * SECOND_US,
        user_id=question.person.user_id,
        visitor_id=question.page.request.visitor_id,
        serving_config=query.config.name,
        snapshot_version=question.snapshot.version,
        items=tuple(items),
        first_position=len(question.page.shown) + 1,
        platform=question.page.request.platform,
        features_digest="" if page.features is None else hashlib.sha256(page.features.tobytes()).hexdigest(),
    )
