"""Two towers as a source of a fitted model: whether there is one, and what its candidates are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.fit import Timeless, fit
from recsys.ask import Ask, resolve
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.model import Snapshot
from recsys.serving import built_in
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sources.two_tower import TwoTowerSource

from .bare import bare_catalogue
from .two_tastes import DAY, N_ITEMS, N_NEW, N_USERS, NOW, Tastes, two_tastes


@pytest.fixture(scope="module")
def tastes() -> Tastes:
    return two_tastes()


def timeless_of(tastes: Tastes) -> Timeless:
    return Timeless.of(bare_catalogue(N_ITEMS), tastes.profiles, tastes.vectors, tastes.text_of, seed=0)


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
    taken = tuple(f"i{item:03d}" for item in range(N_ITEMS - N_NEW))
    ask = Ask(at=NOW, user_id=f"u{user:03d}", serving_config="discover", exclude_item_ids=taken)
    candidates = snapshot.pipeline.retrieve(resolve(ask, snapshot).query)[0]
    ranks = candidates.ranks[:, candidates.names.index("two-tower")]
    assert candidates.items.tolist() == list(range(N_ITEMS - N_NEW, N_ITEMS))
    assert sorted(ranks.tolist()) == list(range(N_NEW))
    if user:
        assert (candidates.items[ranks < N_NEW / 2] % 2 == user % 2).all()


def test_an_item_with_a_text_and_no_event_is_shown_and_says_who_proposed_it(snapshot: Snapshot) -> None:
    taken = tuple(f"i{item:03d}" for item in range(N_ITEMS - N_NEW))
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
