"""Lists and gates of a world of three users, four items, history and popularity, and factors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.gates import ann_recall, finite_share
from index.scoring import CHUNK, lists_of_pipeline, lists_of_source
from recsys.als import ItemFactors
from recsys.arrays import frozen
from recsys.ask import Ask
from recsys.context import Context
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.serving import built_in
from recsys.sources.ease import Ease
from recsys.sources.factors import Factors
from recsys.sources.popular import Popular
from recsys.sources.two_tower import TwoTowerSource
from recsys.statistics import ItemStatistics
from recsys.two_tower import FADES_WEEKS, TwoTower
from recsys.vector_index import VectorIndex

from .bare import bare_catalogue, taken

NOW, DAY = 1_500_000_000, 86_400
N_ITEMS = 4


def world(n_users: int) -> Snapshot:
    """User 0 took 2 twice and 1 once, user 1 took 1; the others nothing."""
    table = taken([(0, 2, 1), (0, 2, 2), (0, 1, 3), (1, 1, 4)], NOW)
    statistics = ItemStatistics.fit(table, N_ITEMS, NOW)
    vectors = np.eye(N_ITEMS, dtype=np.float32)
    factors = Factors(
        ItemFactors.of(vectors, regularisation=1.0, alpha=1.0),
        VectorIndex.build(vectors, sample=vectors, seed=0),
        frozen(np.arange(N_ITEMS), np.int32),
    )
    context = Context.of(
        bare_catalogue(N_ITEMS),
        statistics,
        profiles=Profiles((), np.empty((n_users, 0), np.float32)),
        factors=factors.model,
        texts=None,
    )
    return Snapshot.of(
        Model(context, Popular.of(statistics.column("users_4w")), factors, None),
        rankers={},
        users=IdMap.of(f"u{user:04d}" for user in range(n_users)),
        histories=Histories.of_interactions(table, n_users),
        configs=built_in(),
        last_event_at=NOW - DAY,
    )


@pytest.fixture(scope="module")
def small() -> Snapshot:
    return world(3)


def filled(lists: np.ndarray) -> list[list[int]]:
    return [row[row >= 0].tolist() for row in lists]


@pytest.mark.parametrize(
    ("source", "config", "expected"),
    [
        ("history", "home", [[2, 1], [1], []]),
        ("history", "discover", [[], [], []]),
        ("popular", "home", [[1, 2, 0, 3]] * 3),
        ("popular", "discover", [[0, 3], [2, 0, 3], [1, 2, 0, 3]]),
        ("no such source", "home", [[], [], []]),
    ],
)
def test_a_source_alone_answers_under_the_rules_of_the_config(
    small: Snapshot, source: str, config: str, expected: list[list[int]]
) -> None:
    lists = lists_of_source(small, source, config, np.arange(3, dtype=np.int32), at=NOW)
    assert lists.shape == (3, 100)
    assert filled(lists) == expected
    # Places are filled from the left.
    assert all((row[: len(items)] == items).all() for row, items in zip(lists, expected, strict=True))


def test_a_list_is_asked_as_of_the_time_given(small: Snapshot) -> None:
    lists = lists_of_source(small, "history", "home", np.arange(3, dtype=np.int32), at=NOW - 3 * DAY)
    assert filled(lists) == [[], [1], []]


@pytest.mark.parametrize("config", ["home", "discover"])
def test_the_pipelines_lists_are_the_answers_a_caller_gets(config: str) -> None:
    snapshot = world(CHUNK + 2)
    users = np.arange(CHUNK + 2, dtype=np.int32)[::-1]
    told: list[int] = []
    lists = lists_of_pipeline(snapshot, config, users, at=NOW, advance=told.append)
    for user, row in list(zip(users.tolist(), filled(lists), strict=True))[-3:]:
        ask = Ask(at=NOW, user_id=f"u{user:04d}", serving_config=config, limit=100)
        assert tuple(f"i{item:03d}" for item in row) == snapshot.answer(ask)
    assert sum(told) == len(users)


def test_a_scan_finds_all_that_exact_search_finds(small: Snapshot) -> None:
    assert ann_recall(small, 0) == 1.0


def test_an_index_over_other_vectors_lacks_recall(small: Snapshot) -> None:
    factors = small.model.factors
    assert factors is not None
    few = VectorIndex.build(factors.model.factors[:1], sample=factors.model.factors[:1], seed=0)
    crippled = replace(small, model=replace(small.model, factors=replace(factors, index=few)))
    assert ann_recall(crippled, 0) == pytest.approx(1 / N_ITEMS)


def test_recall_is_unmeasured_without_vectors(small: Snapshot) -> None:
    assert ann_recall(replace(small, model=replace(small.model, factors=None)), 0) is None


def test_one_nan_in_the_factors_lowers_the_finite_share(small: Snapshot) -> None:
    assert finite_share(small) == 1.0
    factors = small.model.factors
    assert factors is not None
    broken = factors.model.factors.copy()
    broken[3, 0] = np.nan
    model = replace(factors.model, factors=broken)
    assert finite_share(replace(small, model=replace(small.model, factors=replace(factors, model=model)))) < 1.0


def with_towers(small: Snapshot, *, spoiled: str = "", indexed: slice = slice(None)) -> Snapshot:
    """Beside the factors, two towers over the same vectors; NaN in one number of the array ``spoiled``."""
    n_told, width = len(FADES_WEEKS) * (N_ITEMS + 1) + 1, N_ITEMS
    vectors = np.eye(width, dtype=np.float32)
    model = TwoTower(
        vectors=vectors,
        items=frozen(np.arange(N_ITEMS), np.int32),
        inputs=vectors,
        centres=np.zeros((len(FADES_WEEKS), width), np.float32),
        bins=np.zeros((3, 0), np.int32),
        profile=np.zeros((0, 0), np.float32),
        linear=np.eye(n_told, width, dtype=np.float32),
        bias=np.linspace(0.1, 0.4, width, dtype=np.float32),
        hidden=np.zeros((n_told, 1), np.float32),
        hidden_bias=np.zeros(1, np.float32),
        top=np.zeros((1, width), np.float32),
    )
    index = VectorIndex.build(vectors[indexed], sample=vectors, seed=0)
    if spoiled:
        array = model.arrays[spoiled].copy()
        array.flat[1] = np.nan
        model = replace(model, **{spoiled: array})
    return replace(small, model=replace(small.model, more=(TwoTowerSource(model, index),)))


def test_the_index_of_two_towers_is_held_to_exact_search_too(small: Snapshot) -> None:
    assert ann_recall(with_towers(small), 0) == 1.0
    assert ann_recall(with_towers(small, indexed=slice(0, 1)), 0) == pytest.approx(1 / N_ITEMS)


@pytest.mark.parametrize("part", ["linear", "bias"])
def test_a_nan_in_the_users_tower_finds_nothing(small: Snapshot, part: str) -> None:
    found = ann_recall(with_towers(small, spoiled=part), 0)
    assert found is not None
    assert found < 0.9


def test_a_nan_in_the_index_of_two_towers_lacks_recall(small: Snapshot) -> None:
    towers = with_towers(small)
    (source,) = towers.model.more
    assert isinstance(source, TwoTowerSource)
    broken = source.model.vectors.copy()
    broken[2, 0] = np.nan
    index = VectorIndex.build(broken, sample=broken[:1], seed=0)
    found = ann_recall(replace(towers, model=replace(towers.model, more=(replace(source, index=index),))), 0)
    assert found == pytest.approx(1 - 1 / N_ITEMS)


@pytest.mark.parametrize("part", ["vectors", "inputs", "centres", "linear", "bias", "hidden", "top"])
def test_one_nan_in_the_towers_lowers_the_finite_share(small: Snapshot, part: str) -> None:
    assert finite_share(with_towers(small)) == 1.0
    assert finite_share(with_towers(small, spoiled=part)) < 1.0


def with_ease(small: Snapshot, *, spoiled: bool = False, indexed: int = N_ITEMS) -> Snapshot:
    """Beside the factors, EASE of plain vectors."""
    vectors = np.eye(N_ITEMS, dtype=np.float32)
    index = VectorIndex.build(vectors[:indexed], sample=vectors, seed=0)
    if spoiled:
        vectors[3, 0] = np.nan
    rows = frozen(np.arange(N_ITEMS), np.int32)
    source = Ease(vectors, frozen(np.full(N_ITEMS, 0.1), np.float32), rows, rows, index)
    return replace(small, model=replace(small.model, more=(source,)))


def test_any_source_that_searches_vectors_is_held_to_the_gates(small: Snapshot) -> None:
    assert ann_recall(with_ease(small), 0) == 1.0
    assert ann_recall(with_ease(small, indexed=1), 0) == pytest.approx(1 / N_ITEMS)
    assert finite_share(with_ease(small)) == 1.0
    assert finite_share(with_ease(small, spoiled=True)) < 1.0
