"""Promotion slots: places on each screen for items that pass a filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from recsys.arrays import Bool, Int64
from recsys.context import Context
from recsys.filters.kept import bits_at
from recsys.policies.screens import SCREEN, whole_screens
from recsys.policy_settings import Promotion
from recsys.query import Query, Slate


@dataclass(frozen=True, slots=True)
class Promotions:
    """Fills the places of ``promotions`` with what passes their filters, best by the ranker's score first.

    A slot holds what passes, whatever stands around it. A share counts what stands on the screen by itself, and brings
    the rest in at its end. Nothing is moved behind but by what is brought in. n_spare: the last rows of a slate are not
    in the list; they may be brought in, and are left out where they are not.
    """

    promotions: tuple[Promotion, ...]
    n_spare: int = 0

    def select(self, query: Query, slate: Slate, context: Context) -> Int64:
        """Positions of all that is listed and of what was brought in."""
        return self.placed(query, slate)[0]

    def placed(self, query: Query, slate: Slate) -> tuple[Int64, dict[int, str]]:
        """The positions, and the name of the promotion for each position that one brought to its place.

        query.promoted: what passes, in the order of ``promotions``.
        """
        passing = np.array([bits_at(bits, slate.items) for bits in query.promoted], np.bool_)
        by_score = np.argsort(np.where(np.isnan(slate.scores), np.inf, -slate.scores), kind="stable")
        most = whole_screens(query.limit, len(slate))
        by = dict(islice(self._places(len(slate) - self.n_spare, passing, by_score), most))
        rest = [position for position in range(len(slate) - self.n_spare) if position not in by]
        return np.array([*by, *rest], np.int64), {position: name for position, name in by.items() if name}

    def _places(self, n_listed: int, passing: Bool, by_score: Int64) -> Iterator[tuple[int, str]]:
        """Place by place the position that takes it and the promotion that brought it, "" where none did."""
        taken = [False] * len(by_score)
        queues = [_Queue(by_score[mask[by_score]].tolist(), taken) for mask in passing]
        passes = passing.T.tolist()
        later = [[sum(slot > place for slot in one.slots) for one in self.promotions] for place in range(1, SCREEN + 1)]
        on_screen, left = [0] * len(queues), [len(queue.positions) for queue in queues]
        upcoming = 0
        for n_placed in range(len(by_score)):
            place = n_placed % SCREEN
            if place == 0:
                on_screen = [0] * len(queues)
                if n_placed and upcoming == n_listed:
                    return  # no screen is made of promotions alone
            which = self._due(place, on_screen, later[place], left, ended=upcoming == n_listed)
            position, name = upcoming, ""
            if which is not None:
                position = queues[which].best()
                name = self.promotions[which].name if position != upcoming else ""
            elif upcoming == n_listed:
                return
            taken[position] = True
            for number, passed in enumerate(passes[position]):
                on_screen[number] += passed
                left[number] -= passed
            yield position, name
            while upcoming < n_listed and taken[upcoming]:
                upcoming += 1

    def _due(
        self, place: int, on_screen: Sequence[int], later: Sequence[int], left: Sequence[int], *, ended: bool
    ) -> int | None:
        """Whose turn it is at ``place`` (from 0) of a screen, by number; None: what stands there by itself does.

        By promotion: on_screen, what passes it so far · later, its slots still to come · left, what passes it and has
        no place yet. ended: nothing stands here by itself.
        """
        for which, promotion in enumerate(self.promotions):
            if place + 1 in promotion.slots and left[which]:
                return which
        missing = [
            max(min(one.least - there, n) - slots, 0)
            for one, there, slots, n in zip(self.promotions, on_screen, later, left, strict=True)
        ]
        # As late as possible: what comes by itself counts. Slots that are still to come are no places for a share.
        if not ended and sum(missing) < SCREEN - place - sum(later):
            return None
        return next((which for which, n in enumerate(missing) if n), None)


@dataclass(slots=True)
class _Queue:
    """What passes a filter, best first; what is ``taken`` meanwhile is skipped."""

    positions: list[int]
    taken: list[bool]
    start: int = 0

    def best(self) -> int:
        """The first that is left, of a queue in which something is."""
        while self.taken[self.positions[self.start]]:
            self.start += 1
        return self.positions[self.start]
