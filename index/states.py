"""Users as they were before each of their past baskets, and what new things they took next: a tower's examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from index.chances import first_rows
from recsys.arrays import Bool, Float32, Float64, Int64
from recsys.decay import DAY_S, age_weeks
from recsys.grouping import ranges
from recsys.interactions import Interactions
from recsys.two_tower import FADES_WEEKS, MOST_HISTORY, fading, history_inputs

# A program among the users may have a million events: so many of each bound the memory of a batch.
MOST_OWNED = 4_096


@dataclass(frozen=True, slots=True)
class States:
    """S moments just before a user took something new.

    users (S,), times (S,) · starts, ends (S,): the user's rows of ``interactions`` before then, newest first · firsts
    (f,): rows of first positives, of which ``taken_from`` to ``taken_to`` (S,) follow within the horizon.
    """

    interactions: Interactions
    firsts: Int64
    users: Int64
    times: Int64
    starts: Int64
    ends: Int64
    taken_from: Int64
    taken_to: Int64

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def of(cls, interactions: Interactions, n_items: int, *, since: int, horizon_days: float) -> States:
        """The moments from ``since`` on, one a user and time; memory: 60 bytes a row and as much a moment."""
        users, times = interactions.users.astype(np.int64), interactions.times
        newest = int(times.max(initial=0))
        # Ascending in the table's own order, and searchable.
        span = newest - int(times.min(initial=0)) + 2
        keys = users * span + (newest - times)
        firsts = first_rows(interactions, n_items)
        begun = firsts[times[firsts] >= since]
        moments = np.unique(keys[begun])
        owners = moments // span
        at = newest - moments % span
        starts = np.searchsorted(keys, moments, side="right")
        until = np.minimum(at + round(horizon_days * DAY_S), newest + 1)
        following = np.searchsorted(keys, owners * span + (newest - until), side="right")
        return cls(
            interactions=interactions,
            firsts=firsts,
            users=owners,
            times=at,
            starts=starts,
            ends=np.searchsorted(users, owners, side="right"),
            taken_from=np.searchsorted(firsts, following),
            taken_to=np.searchsorted(firsts, starts),
        )

    def taken(self, chosen: Int64, most: int, rng: np.random.Generator) -> tuple[Int64, Int64]:
        """Position in ``chosen`` (b,) and item of at most ``most`` new things each took next; a sample where more."""
        count = self.taken_to[chosen] - self.taken_from[chosen]
        place = np.broadcast_to(np.arange(most), (len(chosen), most))
        some = (rng.random((len(chosen), most)) * count[:, None]).astype(np.int64)
        place = self.taken_from[chosen, None] + np.where(count[:, None] > most, some, place)
        valid = np.arange(most) < np.minimum(count, most)[:, None]
        row = np.repeat(np.arange(len(chosen)), valid.sum(axis=1))
        return row, self.interactions.items[self.firsts[place[valid]]].astype(np.int64)

    def owned(self, chosen: Int64) -> tuple[Int64, Int64]:
        """Position in ``chosen`` (b,) and item of the ``MOST_OWNED`` newest events before, targets only.

        An item comes as often as it was taken. Memory: 32 bytes an event.
        """
        starts = self.starts[chosen]
        rows, position = ranges(starts, np.minimum(self.ends[chosen], starts + MOST_OWNED))
        mine = self.interactions.targets[rows]
        return position[mine], self.interactions.items[rows[mine]].astype(np.int64)

    def seen(
        self,
        chosen: Int64,
        inputs: Float32,
        centres: Float32,
        *,
        hidden: Bool | None = None,
        kept: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> Float32:
        """(b, m) ``history_inputs`` of ``chosen`` (b,), as serving would have worked them out at the time.

        hidden (b,): whose history is left out · kept: share of each history that is pooled, drawn with ``rng``.
        """
        means, totals = self.pooled(chosen, inputs, hidden=hidden, kept=kept, rng=rng)
        return history_inputs(means, totals, centres)

    def pooled(
        self,
        chosen: Int64,
        inputs: Float32,
        *,
        hidden: Bool | None = None,
        kept: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> tuple[Float32, Float64]:
        """(b, S, h) weighted means of ``inputs`` (n_items, h) and (b, S) sums of the weights; arguments as ``seen``."""
        table = self.interactions
        starts, n_chosen = self.starts[chosen], len(chosen)
        ends = np.minimum(self.ends[chosen], starts + MOST_HISTORY)
        if hidden is not None:
            ends = np.where(hidden, starts, ends)
        rows, position = ranges(starts, ends)
        ages = age_weeks(table.times[rows], self.times[chosen][position])
        weights = fading(table.weights[rows], ages)
        # A user is known by how much there is; leaving some out must not make them look like another.
        totals = np.empty((n_chosen, len(FADES_WEEKS)))
        for fade, weight in enumerate(weights.T):
            totals[:, fade] = np.bincount(position, weight, minlength=n_chosen)
        if rng is not None and kept < 1.0:
            weights = weights * (rng.random(len(rows)) < kept)[:, None]
        means = np.empty((n_chosen, len(FADES_WEEKS), inputs.shape[1]), np.float32)
        for fade, weight in enumerate(weights.T):
            total = np.bincount(position, weight, minlength=n_chosen)
            shares = (weight / np.maximum(total, 1e-30)[position]).astype(np.float32)
            nonzero = shares > 0
            matrix = csr_matrix(
                (shares[nonzero], (position[nonzero], table.items[rows[nonzero]])), shape=(n_chosen, len(inputs))
            )
            means[:, fade] = matrix @ inputs
            totals[total == 0, fade] = 0.0
        return means, totals
