"""What two towers learn of a world of two tastes, and from how little."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import torch
from rich.console import Console

from index.given import Known
from index.progress import Stages
from index.two_tower import fit_two_tower
from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.histories import Histories
from recsys.profiles import Profiles
from recsys.query import EMPTY_HISTORY
from recsys.sources.two_tower import TwoTowerSource

from .bare import taken
from .two_tastes import N_ITEMS, N_NEW, N_USERS, NOW, SETTINGS, Tastes, mean_share, two_tastes


@pytest.fixture(scope="module")
def tastes() -> Tastes:
    return two_tastes()


@pytest.fixture(scope="module")
def source(tastes: Tastes) -> TwoTowerSource:
    return tastes.fitted()


def test_users_are_given_what_is_of_their_taste(tastes: Tastes, source: TwoTowerSource) -> None:
    assert mean_share(tastes, source, of=slice(0, N_ITEMS - N_NEW)) > 0.95


def test_items_nobody_took_are_placed_by_their_text_and_codes(tastes: Tastes, source: TwoTowerSource) -> None:
    assert source.model.items.tolist() == list(range(N_ITEMS))
    assert mean_share(tastes, source, of=slice(N_ITEMS - N_NEW, N_ITEMS)) > 0.95


def test_users_without_a_history_are_placed_by_their_profile(tastes: Tastes) -> None:
    # So short a training sees few histories left out: here it is to see many.
    source = tastes.fitted(replace(SETTINGS, without_history=0.4, learning_rate=1e-2))
    assert mean_share(tastes, source, of=slice(0, N_ITEMS - N_NEW), history=False) > 0.9
    assert tastes.share_of_own(source, 0, of=slice(0, N_ITEMS), history=False) > 0.9


def test_without_texts_only_what_was_taken_is_known(tastes: Tastes) -> None:
    source = tastes.fitted(texts=False)
    assert source.model.items.tolist() == list(range(N_ITEMS - N_NEW))
    assert source.index.n_rows == N_ITEMS - N_NEW
    assert mean_share(tastes, source, of=slice(0, N_ITEMS - N_NEW)) > 0.95


def test_drawn_negatives_teach_the_same_as_all_items(tastes: Tastes) -> None:
    source = tastes.fitted(replace(SETTINGS, full_below=0, n_negatives=40))
    assert mean_share(tastes, source, of=slice(0, N_ITEMS - N_NEW)) > 0.95


def test_vectors_have_unit_length_beside_the_chances_as_of_now(source: TwoTowerSource) -> None:
    vectors = source.model.vectors
    np.testing.assert_allclose(np.linalg.norm(vectors[:, :8], axis=1), 1.0, rtol=1e-5)
    taken, new = vectors[: N_ITEMS - N_NEW, 8:], vectors[N_ITEMS - N_NEW :, 8:]
    assert (new < taken.min(axis=0)).all()
    # No item without an event has an id.
    assert not source.model.inputs[N_ITEMS - N_NEW :, :8].any()


def test_the_same_data_and_seed_give_the_same_bytes(tastes: Tastes, source: TwoTowerSource) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state()
    again = tastes.fitted()
    for part in ("vectors", "linear", "hidden", "top", "profile"):
        assert getattr(again.model, part).tobytes() == getattr(source.model, part).tobytes(), part
    other = tastes.fitted(seed=4)
    assert other.model.linear.tobytes() != source.model.linear.tobytes()
    # And nobody else in the process notices.
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before[:2]
    assert torch.equal(torch.random.get_rng_state(), before[2])


@pytest.mark.parametrize("limits", [{"least_users": N_USERS}, {"least_positives": 12 * N_USERS}])
def test_too_little_data_trains_nothing(tastes: Tastes, limits: dict[str, int]) -> None:
    assert tastes.attempt(replace(SETTINGS, **limits)) is None


def test_nothing_new_lately_trains_nothing(tastes: Tastes) -> None:
    assert tastes.attempt(replace(SETTINGS, past_weeks=0)) is None


NO_BINS = frozen([], np.int32)
BARE = Profiles((), np.empty((N_USERS, 0), np.float32))
UNTOLD = Profiles(("age", "city"), np.full((N_USERS, 2), np.nan, np.float32))


@pytest.mark.parametrize("profiles", [BARE, UNTOLD], ids=["no columns", "nothing in them"])
@pytest.mark.parametrize("texts", [True, False])
def test_without_profiles_or_texts_it_goes_by_what_was_taken(tastes: Tastes, profiles: Profiles, texts: bool) -> None:
    source = replace(tastes, profiles=profiles).fitted(replace(SETTINGS, most_epochs=1), texts=texts)
    assert all(np.isfinite(array).all() for array in source.model.arrays.values())
    assert mean_share(tastes, source, of=slice(0, N_ITEMS - N_NEW)) > 0.9
    assert source.model.vector_of(EMPTY_HISTORY, NO_BINS, at=NOW) is None


def test_two_users_of_three_items_can_be_learnt_from_when_that_is_asked_for() -> None:
    rows = [(0, 0, 9), (0, 1, 5), (1, 1, 8), (1, 0, 3), (1, 2, 2)]
    table = taken(rows, NOW)
    source = fit_two_tower(
        table,
        Known(
            factors=ItemFactors.of(np.eye(3, 2, dtype=np.float32), regularisation=1.0, alpha=1.0),
            codes={},
            profiles=Profiles((), np.empty((2, 0), np.float32)),
            vectors=np.ones((1, 4), np.float32),
            text_of=frozen([0, -1, -1], np.int32),
        ),
        at=NOW,
        settings=replace(SETTINGS, least_users=1, least_positives=1),
        seed=0,
    )
    assert source is not None
    assert source.model.items.tolist() == [0, 1, 2]
    vector = source.model.vector_of(Histories.of_interactions(table, 2).of(0), NO_BINS, at=NOW)
    assert vector is not None
    assert np.isfinite(source.model.vectors @ vector).all()


def test_training_is_a_stage_that_counts_moments(tastes: Tastes) -> None:
    settings = replace(SETTINGS, most_examples=300)
    with Stages(console=Console(file=StringIO())) as stages:
        tastes.fitted(settings, stage=stages.stage)
        tastes.attempt(replace(settings, least_users=N_USERS), stage=stages.stage)
    assert [(record.name, record.n_rows) for record in stages.records] == [("train two towers", 300)]
