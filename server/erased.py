"""Who was erased, as this worker last heard: they stay forgotten while the state store cannot be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from recsys.stores.records import Erasure, Person, erasure_digest

# Somebody erased since may be known again for the length of an outage that begins before the next look.
RENEWED_EVERY_S = 30.0


class Erased:
    """Digests of erased people; ``clock``: seconds that only grow. Replaced as a whole: no lock is needed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._erased_us: Mapping[bytes, int] = {}
        self._due_s = 0.0

    @property
    def are_due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() >= self._due_s

    def renew(self, erasures: Iterable[Erasure]) -> None:
        """All that there are."""
        self._erased_us = {erasure.digest: erasure.erased_us for erasure in erasures}
        self._due_s = self._clock() + RENEWED_EVERY_S

    def has(self, user_id: str) -> bool:
        """Whether a user was erased."""
        return bool(self._erased_us) and erasure_digest("user", user_id) in self._erased_us

    def of(self, person: Person) -> Person:
        """``person``, and when they and devices of theirs were erased."""
        if not self._erased_us:
            return person
        visitors = {id: self._erased_us.get(erasure_digest("visitor", id)) for id in person.visitor_ids}
        own = [person.erased_us, self._erased_us.get(erasure_digest("user", person.user_id))]
        return replace(
            person,
            erased_us=max((us for us in own if us is not None), default=None),
            erased_visitors={id: us for id, us in visitors.items() if us is not None},
        )
