"""The two-tower source as of a time: whether there is enough to learn, training, and the arrays that serving needs.

Torch is imported only when towers are trained, by ``index.towers``.
"""

from __future__ import annotations

import numpy as np

from index.given import Given, Known, TwoTowerSettings
from index.progress import OpenStage, unseen
from recsys.arrays import Float32
from recsys.interactions import Interactions
from recsys.sources.two_tower import TwoTowerSource
from recsys.two_tower import TwoTower
from recsys.vector_index import VectorIndex

N_SAMPLE = 128


def trains_towers(n_users: int, n_positives: int, settings: TwoTowerSettings) -> bool:
    """Whether so many users with a positive, and so many positives, are enough to train on."""
    return n_users >= settings.least_users and n_positives >= settings.least_positives


def fit_two_tower(
    interactions: Interactions,
    known: Known,
    *,
    at: int,
    settings: TwoTowerSettings,
    seed: int,
    stage: OpenStage = unseen,
) -> TwoTowerSource | None:
    """Towers trained on ``interactions``, all before ``at``; None when too few users took too few things.

    The ids' vectors are learnt by ALS in a fraction of the time, and stay as they are, for towers that also moved them
    learnt users by heart. ``stage`` is opened only if there is something to train on.

    Time: at most most_examples / batch steps, 120 at the defaults, and fewer for little data; 20 s of one core for
    300,000 items and users with 1.5 million interactions. Memory: there 1 GB, some 3 kB an item with its interactions.
    """
    positive = interactions.targets & (interactions.weights > 0)
    if not trains_towers(len(np.unique(interactions.users[positive])), int(positive.sum()), settings):
        return None
    given = Given.of(interactions, known, at=at, settings=settings, seed=seed)
    if given is None:
        return None
    with stage("train two towers", total=given.n_examples(settings)) as step:
        from index.towers import train_towers

        model = train_towers(given, settings, seed=seed, advance=step.advance)
    return TwoTowerSource(model, VectorIndex.build(model.vectors, sample=_sample(model, given, seed), seed=seed))


def _sample(model: TwoTower, given: Given, seed: int) -> Float32:
    """User vectors (q, d + w) to set up the index by: of moments lately, with their profiles."""
    chosen = np.random.default_rng(seed).choice(len(given.states), N_SAMPLE, p=given.drawn)
    seen = given.states.seen(chosen, model.inputs, model.centres)
    # One more row, of nothing, which the bin -1 of what is unknown falls on.
    profile = np.pad(model.profile, ((0, 1), (0, 0)))
    told = profile[model.bins[given.states.users[chosen]]].sum(axis=1)
    return model.tower(np.concatenate([seen, told], axis=1))
