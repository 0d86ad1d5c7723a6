"""A world of two tastes: what a trained tower must know of it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from index.factorise import AlsSettings, factorise
from index.given import Known, TwoTowerSettings
from index.progress import OpenStage, unseen
from index.two_tower import fit_two_tower
from recsys.arrays import frozen
from recsys.histories import Histories
from recsys.interactions import Interactions
from recsys.profiles import Profiles
from recsys.query import EMPTY_HISTORY, known_bins
from recsys.sources.two_tower import TwoTowerSource

from .bare import taken

NOW, DAY = 1_500_000_000, 86_400
N_USERS, N_ITEMS, N_NEW = 240, 60, 6
SETTINGS = TwoTowerSettings(batch=128, most_epochs=3)


@dataclass(frozen=True, slots=True)
class Tastes:
    """Even users take even items, odd ones odd items; the last items nobody took, but their text says which they are.

    The profile is the taste too; user 0 never took anything and user 1 has no profile.
    """

    interactions: Interactions
    profiles: Profiles
    vectors: Any
    text_of: Any

    def fitted(self, settings: TwoTowerSettings = SETTINGS, **asked: Any) -> TwoTowerSource:
        found = self.attempt(settings, **asked)
        assert found is not None
        return found

    def attempt(
        self, settings: TwoTowerSettings, *, texts: bool = True, seed: int = 3, stage: OpenStage = unseen
    ) -> TwoTowerSource | None:
        factors = factorise(
            self.interactions, N_USERS, N_ITEMS, at=NOW, settings=AlsSettings(factors=8, regularisation=1.0), seed=1
        )
        assert factors is not None
        return fit_two_tower(
            self.interactions,
            Known(
                factors=factors.model,
                codes={
                    "kind": frozen(np.arange(N_ITEMS) % 2, np.int32),
                    "none": frozen(np.full(N_ITEMS, -1), np.int32),
                },
                profiles=self.profiles,
                vectors=self.vectors if texts else None,
                text_of=self.text_of if texts else None,
            ),
            at=NOW,
            settings=settings,
            seed=seed,
            stage=stage,
        )

    def share_of_own(self, source: TwoTowerSource, user: int, *, of: slice, history: bool = True) -> float:
        """Of the best half of the items ``of``, the share that is of the user's taste."""
        past = Histories.of_interactions(self.interactions, N_USERS).of(user) if history else EMPTY_HISTORY
        vector = source.model.vector_of(past, known_bins(source.model.bins, user), at=NOW)
        assert vector is not None
        rows = np.arange(N_ITEMS)[of]
        scores = source.model.vectors[rows] @ vector
        best = rows[np.argsort(-scores)[: len(rows) // 2]]
        return float((best % 2 == user % 2).mean())


def two_tastes() -> Tastes:
    """The world, the same whenever it is asked for."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, int, int]] = []
    for user in range(1, N_USERS):
        mine = np.arange(user % 2, N_ITEMS - N_NEW, 2)
        for item in rng.choice(mine, 12, replace=False):
            rows.append((user, int(item), int(rng.integers(1, 100))))
    table = taken(rows, NOW)
    taste = np.arange(N_USERS) % 2 * 1.0
    taste[1] = np.nan
    vectors = 0.2 * rng.normal(size=(N_ITEMS, 12)).astype(np.float32)
    vectors[np.arange(N_ITEMS), np.arange(N_ITEMS) % 2] += 1.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Tastes(
        table, Profiles(("taste",), taste[:, None].astype(np.float32)), vectors, frozen(np.arange(N_ITEMS), np.int32)
    )


def mean_share(tastes: Tastes, source: TwoTowerSource, *, of: slice, history: bool = True) -> float:
    return float(np.mean([tastes.share_of_own(source, user, of=of, history=history) for user in range(2, N_USERS, 7)]))
