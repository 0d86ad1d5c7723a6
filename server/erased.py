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

    def are_due(self) -> bool:
        """Whether it is time to look again; True for one who asks, who is then to ``renew``."""
        if self._clock() < self._due_s:
            return False
        self._due_s = self._clock() + RENEWED_EVERY_S
        return True

    def renew(self, erasures: Iterable[Erasure]) -> None:
        """All that there are."""
        self._erased_us = {erasure.digest: erasure.erased_us for erasure in erasures}

    def of(self, person: Person) -> Person:
        """``person``, and when they were erased."""
        kinds = [("user", person.user_id)] if person.user_id else [("visitor", id) for id in person.visitor_ids]
        found = [self._erased_us.get(erasure_digest(kind, id)) for kind, id in kinds] if self._erased_us else []
        return replace(person, erased_us=max((us for us in found if us is not None), default=None))
