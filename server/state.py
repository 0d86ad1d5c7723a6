"""The state store as calls use it: opened once it can be, never waited for long, left alone when it fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from recsys.errors import NoState, StateUnavailable
from recsys.stores.protocols import State
from recsys.stores.records import Person
from server.conversion import alone
from server.erased import Erased

LOG = logging.getLogger(__name__)
# A read takes a millisecond; of a caller's deadline most is left for the answer.
LONGEST_WAIT_S = 0.25
# More for each of a batch, whose events are some hundreds.
WAIT_A_PERSON_S = 0.005
SHARE_OF_DEADLINE = 0.25
# So long nobody waits for it after a failure: a store that hangs must not hold the threads of all answers.
REST_S = 1.0
N_READERS = 4
# Newest first, of one person: more than a heavy customer does between two rebuilds.
MOST_EVENTS = 1000
STATE_UNAVAILABLE = "state_unavailable"

NOBODY = ("", "")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """Who asks; ``is_whole`` False: the store could not be asked, and only that they were erased is known of it."""

    person: Person
    is_whole: bool = True


class LiveState:
    """The store that ``open_store`` opens, None: there is none. ``clock``: seconds that only grow.

    Reading for answers never fails and takes ``LONGEST_WAIT_S`` at most; writing is the caller's to wait for.
    """

    def __init__(self, open_store: Callable[[], State] | None, clock: Callable[[], float] = monotonic) -> None:
        self._open_store = open_store
        self._clock = clock
        self._state: State | None = None
        self._opening = threading.Lock()
        self._is_down = False
        self._rests_until = 0.0
        self._erased = Erased(clock)
        self._readers = ThreadPoolExecutor(N_READERS, thread_name_prefix="state")

    @property
    def is_configured(self) -> bool:
        """Whether there is a store, be it down or not."""
        return self._open_store is not None

    def store(self) -> State:
        """The store, opened now if it is not yet. NoState without one, StateUnavailable when it cannot be opened."""
        if self._open_store is None:
            raise NoState
        with self._opening:
            if self._state is None:
                self._state = self._open_store()
                LOG.info("state store opened", extra={"fields": {"store": self._state.describe()}})
            return self._state

    def asked(self, read: Callable[[State], T], left_s: float | None, *, longest_s: float = LONGEST_WAIT_S) -> T | None:
        """What ``read`` gives, within ``longest_s`` and well within ``left_s``; None when it cannot be had now."""
        if self._open_store is None or (self._is_down and self._clock() < self._rests_until):
            return None
        if self._is_down:
            self._rest()  # one tries, the others need not wait with it
        wait_s = longest_s if left_s is None else min(longest_s, SHARE_OF_DEADLINE * left_s)
        future = self._readers.submit(lambda: read(self.store()))
        try:
            answer = future.result(max(wait_s, 0.0))
        except TimeoutError:
            future.cancel()
            # A short deadline of a caller's own says nothing about the store.
            if wait_s >= longest_s:
                self._failed("slow")
            return None
        except StateUnavailable as error:
            self._failed(str(error))
            return None
        except Exception:
            LOG.exception("reading the state failed")
            self._rest()
            return None
        if self._is_down:
            self._is_down = False
            LOG.info("the state store is back")
        return answer

    def people(self, ids: Sequence[tuple[str, str]], left_s: float | None) -> list[Found]:
        """Who asks, for each (user_id, visitor_id). Without a store they are alone."""
        asked = [one for one in dict.fromkeys(ids) if one != NOBODY]
        if self._open_store is None or not asked:
            return [Found(alone(*one)) for one in ids]
        erased = self.erased(left_s)
        longest_s = LONGEST_WAIT_S + WAIT_A_PERSON_S * len(asked)
        known = self.asked(
            lambda state: state.users.people(asked, most_events=MOST_EVENTS), left_s, longest_s=longest_s
        )
        if known is None:
            return [Found(erased.of(alone(*one)), is_whole=one == NOBODY) for one in ids]
        people = {NOBODY: Person(""), **dict(zip(asked, map(erased.of, known), strict=True))}
        return [Found(people[one]) for one in ids]

    def erased(self, left_s: float | None, *, is_fresh: bool = False) -> Erased:
        """Who was erased, up to half a minute ago, or now for ``is_fresh``, or as long as the store has been away."""
        if self._open_store is not None and (is_fresh or self._erased.are_due):
            self.asked(lambda state: self._erased.renew(state.users.erasures()), left_s)
        return self._erased

    def close(self, wait_s: float | None = None) -> bool:
        """Let go of the store; calls that wait for it are not waited for. False when it takes over ``wait_s``."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        closing = threading.Thread(target=self._close, name="state closing", daemon=True)
        closing.start()
        closing.join(wait_s)
        return not closing.is_alive()

    def _close(self) -> None:
        with self._opening:
            if self._state is not None:
                self._state.close()
                self._state = None

    def _failed(self, reason: str) -> None:
        LOG.warning("the state store failed", extra={"fields": {"reason": reason}})
        self._rest()

    def _rest(self) -> None:
        self._is_down, self._rests_until = True, self._clock() + REST_S
