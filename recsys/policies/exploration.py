"""Exploration: some places go to new items by chance, and the answer says how likely each of its places was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsys.arrays import Bool, Int64
from recsys.context import Context
from recsys.draws import Draws
from recsys.filters.kept import bits_at
from recsys.query import Query, Slate


class Placed(NamedTuple):
    """One place: who takes it, whether by chance, and the probability of it given who takes those before."""

    position: int
    is_explored: bool = False
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class Exploration:
    """Gives each place, with the probability ``query.draws.share``, to a new item instead of what would stand there.

    Every new item that has no place yet is as likely as any other, but for the one that would stand there anyway. What
    passes a promotion keeps its place. Nothing is dropped: what stood there takes the next place. n_spare: the last
    rows of a slate are not in the list; they may be drawn, and are left out where they are not.
    """

    n_spare: int = 0

    def select(self, query: Query, slate: Slate, context: Context) -> Int64:
        """Positions of all that is listed and of what was drawn."""
        return np.array([one.position for one in self.placed(query, slate)], np.int64)

    def placed(self, query: Query, slate: Slate) -> list[Placed]:
        """Who takes which place, the first one first. Those of ``query.draws`` that come first must be in the slate."""
        n_listed = len(slate) - self.n_spare
        draws = query.draws
        if draws is None:
            return [Placed(position) for position in range(n_listed)]
        held = np.zeros(n_listed, np.bool_)
        for bits in query.promoted:
            held |= bits_at(bits, slate.items[:n_listed])
        return list(_places(draws, draws.among(slate.items), draws.in_order(slate.items), held))


def _places(draws: Draws, drawable: Bool, order: Int64, held: Bool) -> Iterator[Placed]:
    """drawable (N,): whether a position may be drawn · order: those that may, as they come · held (n_listed,): what
    nothing may move; it may not be drawn.
    """
    may, stays, is_given = drawable.tolist(), held.tolist(), draws.places.tolist()
    taken = [False] * len(may)
    waiting = iter(order.tolist())
    free = iter(np.flatnonzero(~held).tolist())
    upcoming = next(free, None)
    n_left = len(draws)
    place = 0
    while place < len(stays) or upcoming is not None:
        if place < len(stays) and stays[place]:
            yield Placed(place)
            place += 1
            continue
        if upcoming is None:
            return
        one = Placed(upcoming)
        n_others = n_left - may[upcoming]
        if place < len(is_given) and n_others:
            one = Placed(upcoming, False, 1.0 - draws.share)
            if is_given[place]:
                # What is passed over has a place or takes the next one that is not given away: nothing is lost.
                drawn = next((other for other in waiting if not taken[other] and other != upcoming), None)
                if drawn is not None:
                    one = Placed(drawn, True, draws.share / n_others)
        yield one
        place += 1
        taken[one.position] = True
        n_left -= may[one.position]
        while upcoming is not None and taken[upcoming]:
            upcoming = next(free, None)
