"""What torch trains and what NumPy then answers are the same towers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from index.given import Given
from index.states import States
from index.towers import ItemTower, UserTower, _exported, train_towers
from recsys.arrays import frozen
from recsys.histories import Histories
from recsys.query import known_bins

from .two_tastes import DAY, N_ITEMS, N_USERS, NOW, SETTINGS, Tastes, two_tastes


@pytest.fixture(scope="module")
def tastes() -> Tastes:
    return two_tastes()


def given_of(tastes: Tastes) -> Given:
    """Anything to train on, small."""
    rng = np.random.default_rng(6)
    states = States.of(tastes.interactions, N_ITEMS, since=NOW - 100 * DAY, horizon_days=7)
    return Given(
        states=states,
        inputs=rng.normal(size=(N_ITEMS, 7)).astype(np.float32),
        centres=rng.normal(size=(2, 4)).astype(np.float32),
        codes=rng.integers(5, size=(N_ITEMS, 2)),
        n_codes=5,
        bins=frozen(rng.integers(-1, 3, size=(N_USERS, 2)), np.int32),
        n_bins=3,
        chances=rng.normal(size=(27, N_ITEMS, 3)).astype(np.float32),
        items=np.arange(2, N_ITEMS),
        drawn=np.full(len(states), 1 / len(states)),
        at=NOW,
    )


def test_numpy_answers_what_torch_was_trained_to(tastes: Tastes) -> None:
    given = given_of(tastes)
    torch.manual_seed(0)
    users, items = UserTower(given, SETTINGS), ItemTower(given, SETTINGS)
    with torch.no_grad():
        for parameter in (*users.parameters(), *items.parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape))
    model = _exported(given, users, items)
    chosen = np.arange(0, len(given.states), 11)
    seen = given.states.seen(chosen, given.inputs, given.centres)
    bins = given.bins[given.states.users[chosen]].astype(np.int64)
    with torch.no_grad():
        told = users(torch.tensor(seen), torch.from_numpy(np.where(bins >= 0, bins, given.n_bins))).numpy()
    histories = Histories.of_interactions(tastes.interactions, N_USERS)
    for row, state in enumerate(chosen.tolist()):
        if (bins[row] < 0).any():
            continue  # the noise above also moved the row of what is missing, which training leaves at zero
        user, at = int(given.states.users[state]), int(given.states.times[state])
        vector = model.vector_of(histories.of(user).before(at), known_bins(model.bins, user), at=at)
        if vector is not None:
            np.testing.assert_allclose(vector, told[row], rtol=2e-3, atol=2e-4)
    with torch.no_grad():
        direct = items(
            torch.from_numpy(given.inputs[2:]), torch.from_numpy(given.codes[2:]), torch.ones(N_ITEMS - 2, 1)
        ).numpy()
    np.testing.assert_allclose(model.vectors, np.concatenate([direct, given.chances[0, 2:]], axis=1), rtol=1e-6)


def test_training_leaves_what_is_missing_at_nothing(tastes: Tastes) -> None:
    given = given_of(tastes)
    model = train_towers(given, replace(SETTINGS, most_epochs=1), seed=1)
    assert model.profile.shape == (3, SETTINGS.profile_width)
    bare = replace(model, bins=frozen(np.full((N_USERS, 2), -1), np.int32))
    history = Histories.of_interactions(tastes.interactions, N_USERS).of(5)
    known = bare.vector_of(history, known_bins(bare.bins, 5), at=NOW)
    unknown = model.vector_of(history, known_bins(model.bins, None), at=NOW)
    assert known is not None
    assert unknown is not None
    assert known.tobytes() == unknown.tobytes()
