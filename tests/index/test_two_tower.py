"""A world of two tastes: what a trained tower must know of it is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from index.factorise import AlsSettings, factorise
from index.fit import Timeless, fit
from index.given import Given, TwoTowerSettings
from index.progress import OpenStage, Stages, unseen
from index.states import States
from index.towers import ItemTower, UserTower, _exported, train_towers
from index.two_tower import fit_two_tower
from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.catalogue import Catalogue
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.model import Snapshot
from recsys.profiles import Profiles
from recsys.query import EMPTY_HISTORY
from recsys.serving import built_in
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sources.two_tower import TwoTowerSource
from recsys.text_column import TextColumn

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
            factors=factors.model,
            codes={"kind": frozen(np.arange(N_ITEMS) % 2, np.int32), "none": frozen(np.full(N_ITEMS, -1), np.int32)},
            profiles=self.profiles,
            vectors=self.vectors if texts else None,
            text_of=self.text_of if texts else None,
            at=NOW,
            settings=settings,
            seed=seed,
            stage=stage,
        )

    def share_of_own(self, source: TwoTowerSource, user: int, *, of: slice, history: bool = True) -> float:
        """Of the best half of the items ``of``, the share that is of the user's taste."""
        past = Histories.of_interactions(self.interactions, N_USERS).of(user) if history else EMPTY_HISTORY
        vector = source.model.vector_of(past, at=NOW, user=user)
        assert vector is not None
        rows = np.arange(N_ITEMS)[of]
        scores = source.model.vectors[rows] @ vector
        best = rows[np.argsort(-scores)[: len(rows) // 2]]
        return float((best % 2 == user % 2).mean())


@pytest.fixture(scope="module")
def tastes() -> Tastes:
    rng = np.random.default_rng(0)
    rows: list[tuple[int, int, int]] = []
    for user in range(1, N_USERS):
        mine = np.arange(user % 2, N_ITEMS - N_NEW, 2)
        for item in rng.choice(mine, 12, replace=False):
            rows.append((user, int(item), int(rng.integers(1, 100))))
    users, items, days = zip(*rows, strict=True)
    table = Interactions.ordered(
        users=users,
        items=items,
        times=[NOW - day * DAY for day in days],
        weights=np.ones(len(rows)),
        targets=np.ones(len(rows), bool),
    )
    taste = np.arange(N_USERS) % 2 * 1.0
    taste[1] = np.nan
    vectors = 0.2 * rng.normal(size=(N_ITEMS, 12)).astype(np.float32)
    vectors[np.arange(N_ITEMS), np.arange(N_ITEMS) % 2] += 1.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Tastes(
        table, Profiles(("taste",), taste[:, None].astype(np.float32)), vectors, frozen(np.arange(N_ITEMS), np.int32)
    )


@pytest.fixture(scope="module")
def source(tastes: Tastes) -> TwoTowerSource:
    return tastes.fitted()


def mean_share(tastes: Tastes, source: TwoTowerSource, *, of: slice, history: bool = True) -> float:
    return float(np.mean([tastes.share_of_own(source, user, of=of, history=history) for user in range(2, N_USERS, 7)]))


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
        vector = model.vector_of(histories.of(user).before(at), at=at, user=user)
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
    known, unknown = bare.vector_of(history, at=NOW, user=5), model.vector_of(history, at=NOW, user=None)
    assert known is not None
    assert unknown is not None
    assert known.tobytes() == unknown.tobytes()


def bare_catalogue() -> Catalogue:
    """Ids alone."""
    return Catalogue(
        items=IdMap.of(f"i{item:02d}" for item in range(N_ITEMS)),
        titles=TextColumn.of([""] * N_ITEMS),
        categories=TextColumn.of([""] * N_ITEMS),
        brands=TextColumn.of([""] * N_ITEMS),
        prices=np.full(N_ITEMS, np.nan, np.float32),
        in_stock=np.ones(N_ITEMS, bool),
        created_at=np.zeros(N_ITEMS, np.int64),
        codes={},
    )


def timeless_of(tastes: Tastes) -> Timeless:
    return Timeless.of(bare_catalogue(), tastes.profiles, tastes.vectors, tastes.text_of, seed=0)


@pytest.mark.parametrize("off", [frozenset(), frozenset({"two-tower"})])
def test_it_is_a_source_and_a_feature_unless_it_is_off(tastes: Tastes, off: frozenset[str]) -> None:
    model = fit(timeless_of(tastes), tastes.interactions, N_USERS, at=NOW, seed=0, off=off)
    assert ("two-tower" in model.sources) == (not off)
    names = {name for family in model.pipeline({}).families for name in family.names}
    assert ({"two-tower_rank", "two-tower_closeness"} <= names) == (not off)


def test_a_shop_too_small_for_it_has_none(tastes: Tastes) -> None:
    few = tastes.interactions.before(NOW - 97 * DAY)
    model = fit(timeless_of(tastes), few, N_USERS, at=NOW, seed=0)
    assert len(few) > 0
    assert "two-tower" not in model.sources


@pytest.fixture(scope="module")
def snapshot(tastes: Tastes) -> Snapshot:
    return Snapshot.of(
        fit(timeless_of(tastes), tastes.interactions, N_USERS, at=NOW, seed=0),
        rankers={},
        users=IdMap.of(f"u{user:03d}" for user in range(N_USERS)),
        histories=Histories.of_interactions(tastes.interactions, N_USERS),
        configs=built_in(),
        last_event_at=NOW - DAY,
    )


@pytest.mark.parametrize("user", [0, 1, 7])
def test_items_with_a_text_and_no_event_are_candidates_of_every_kind_of_user(snapshot: Snapshot, user: int) -> None:
    """User 0 has a profile and no history, user 1 a history and no profile, user 7 both; the text decides the order."""
    taken = tuple(f"i{item:02d}" for item in range(N_ITEMS - N_NEW))
    ask = Ask(at=NOW, user_id=f"u{user:03d}", serving_config="discover", exclude_item_ids=taken)
    candidates = snapshot.pipeline.retrieve(resolve(ask, snapshot).query)[0]
    ranks = candidates.ranks[:, candidates.names.index("two-tower")]
    assert candidates.items.tolist() == list(range(N_ITEMS - N_NEW, N_ITEMS))
    assert sorted(ranks.tolist()) == list(range(N_NEW))
    if user:
        assert (candidates.items[ranks < N_NEW / 2] % 2 == user % 2).all()


def test_an_item_with_a_text_and_no_event_is_shown_and_says_who_proposed_it(snapshot: Snapshot) -> None:
    taken = tuple(f"i{item:02d}" for item in range(N_ITEMS - N_NEW))
    answer = snapshot.recommend(Ask(at=NOW, user_id="u007", serving_config="discover", exclude_item_ids=taken))
    assert sorted(answer.slate.items.tolist()) == list(range(N_ITEMS - N_NEW, N_ITEMS))
    assert np.isfinite(answer.provenance.ranks[:, answer.provenance.names.index("two-tower")]).all()


def test_it_answers_the_same_bytes_when_read_back(snapshot: Snapshot, tmp_path: Path) -> None:
    source = next(one for one in snapshot.model.more if isinstance(one, TwoTowerSource))
    source.write(SnapshotWriter(tmp_path))
    again = TwoTowerSource.read(SnapshotReader(tmp_path), source.name)
    query = resolve(Ask(at=NOW, user_id="u007", serving_config="discover"), snapshot).query
    for one, other in zip(source.model.arrays.values(), again.model.arrays.values(), strict=True):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    hits, others = source.retrieve(query, 9), again.retrieve(replace(query, remembered={}), 9)
    assert (hits.items.tobytes(), hits.scores.tobytes()) == (others.items.tobytes(), others.scores.tobytes())


BARE = Profiles((), np.empty((N_USERS, 0), np.float32))
UNTOLD = Profiles(("age", "city"), np.full((N_USERS, 2), np.nan, np.float32))


@pytest.mark.parametrize("profiles", [BARE, UNTOLD], ids=["no columns", "nothing in them"])
@pytest.mark.parametrize("texts", [True, False])
def test_without_profiles_or_texts_it_goes_by_what_was_taken(tastes: Tastes, profiles: Profiles, texts: bool) -> None:
    source = replace(tastes, profiles=profiles).fitted(replace(SETTINGS, most_epochs=1), texts=texts)
    assert all(np.isfinite(array).all() for array in source.model.arrays.values())
    assert mean_share(tastes, source, of=slice(0, N_ITEMS - N_NEW)) > 0.9
    assert source.model.vector_of(EMPTY_HISTORY, at=NOW, user=5) is None


def test_two_users_of_three_items_can_be_learnt_from_when_that_is_asked_for() -> None:
    rows = [(0, 0, 9), (0, 1, 5), (1, 1, 8), (1, 0, 3), (1, 2, 2)]
    users, items, days = zip(*rows, strict=True)
    table = Interactions.ordered(
        users=users,
        items=items,
        times=[NOW - day * DAY for day in days],
        weights=np.ones(len(rows)),
        targets=np.ones(len(rows), bool),
    )
    source = fit_two_tower(
        table,
        factors=ItemFactors.of(np.eye(3, 2, dtype=np.float32), regularisation=1.0, alpha=1.0),
        codes={},
        profiles=Profiles((), np.empty((2, 0), np.float32)),
        vectors=np.ones((1, 4), np.float32),
        text_of=frozen([0, -1, -1], np.int32),
        at=NOW,
        settings=replace(SETTINGS, least_users=1, least_positives=1),
        seed=0,
    )
    assert source is not None
    assert source.model.items.tolist() == [0, 1, 2]
    vector = source.model.vector_of(Histories.of_interactions(table, 2).of(0), at=NOW, user=0)
    assert vector is not None
    assert np.isfinite(source.model.vectors @ vector).all()


def test_training_is_a_stage_that_counts_moments(tastes: Tastes) -> None:
    settings = replace(SETTINGS, most_examples=300)
    with Stages(console=Console(file=StringIO())) as stages:
        tastes.fitted(settings, stage=stages.stage)
        tastes.attempt(replace(settings, least_users=N_USERS), stage=stages.stage)
    assert [(record.name, record.n_rows) for record in stages.records] == [("train two towers", 300)]
