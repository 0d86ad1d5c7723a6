"""Keys of kept rows: everything the rows depend on changes them, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.builder import catalogue_of, profiles_of
from index.dataset import Dataset, load
from index.ease import EaseSettings
from index.factorise import AlsSettings
from index.fit import Timeless
from index.fit_settings import USUAL, FitSettings
from index.labelled import Extent
from index.neighbours import NeighbourSettings, Similarity
from index.serving_settings import ServingSettings
from index.settings import SourceSettings, TrainingSettings
from index.stage_keys import Keys, sources_digest
from index.windows import Window
from recsys.arrays import frozen

WINDOW = Window(1_746_000_000, 1_748_419_200)
NOTHING: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def dataset(corner_shop: Any, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(corner_shop.write(tmp_path_factory.mktemp("data")), now=1_760_000_000)


def timeless(dataset: Dataset, **changed: Any) -> Timeless:
    catalogue = replace(catalogue_of(dataset), **changed)
    return Timeless(catalogue, profiles_of(dataset.users, len(dataset.user_ids)), None, None, None)


def key(
    dataset: Dataset,
    window: Window = WINDOW,
    *,
    whole: bool = True,
    n_acted: int = 0,
    off: frozenset[str] = NOTHING,
) -> str:
    keys = Keys.of(dataset, timeless(dataset))
    return keys.of_window(dataset.interactions, window, Extent(whole, n_acted), off=off, fitting=USUAL)


def moved(dataset: Dataset, column: str, row: int, by: float) -> Dataset:
    """The same but for one cell of the interactions."""
    values = getattr(dataset.interactions, column).copy()
    values[row] += by
    changed: Any = {column: frozen(values, values.dtype)}
    return replace(dataset, interactions=replace(dataset.interactions, **changed))


def row_at(dataset: Dataset, low: int, high: int) -> int:
    times = dataset.interactions.times
    return int(np.flatnonzero((times >= low) & (times < high))[0])


@pytest.mark.parametrize("column", ["users", "items", "times", "weights", "quantities", "prices"])
def test_one_event_before_the_end_of_the_window_makes_another_key(dataset: Dataset, column: str) -> None:
    for low, high in ((0, WINDOW.start), (WINDOW.start, WINDOW.end)):
        assert key(moved(dataset, column, row_at(dataset, low, high), 1)) != key(dataset)


def test_events_from_the_end_of_the_window_on_change_nothing(dataset: Dataset) -> None:
    row = row_at(dataset, WINDOW.end, 2**40)
    for column in ("items", "times", "weights"):
        assert key(moved(dataset, column, row, 1)) == key(dataset)
    assert Keys.of(dataset, timeless(dataset)).of_everything(dataset.interactions, WINDOW.end, off=NOTHING) != Keys.of(
        dataset, timeless(dataset)
    ).of_everything(moved(dataset, "items", row, 1).interactions, WINDOW.end, off=NOTHING)


def test_the_window_and_how_it_is_used_are_part_of_the_key(dataset: Dataset) -> None:
    first = key(dataset)
    assert key(dataset) == first
    assert key(dataset, Window(WINDOW.start + 1, WINDOW.end)) != first
    assert len({first, key(dataset, whole=False), key(dataset, n_acted=8), key(dataset, n_acted=9)}) == 4
    assert key(dataset, off=frozenset({"ease"})) != first


def test_how_sources_are_fitted_is_part_of_the_key(dataset: Dataset) -> None:
    keys = Keys.of(dataset, timeless(dataset))

    def fitted_by(fitting: FitSettings) -> str:
        return keys.of_window(dataset.interactions, WINDOW, Extent(whole=True), off=NOTHING, fitting=fitting)

    others = (
        FitSettings(ease=EaseSettings(regularisation=10.0)),
        FitSettings(als=AlsSettings(factors=32)),
        FitSettings(similarity=Similarity.JACCARD),
        FitSettings(neighbours=NeighbourSettings(everything=True)),
    )
    assert fitted_by(FitSettings()) == key(dataset)
    assert len({fitted_by(fitting) for fitting in (FitSettings(), *others)}) == 5


def test_settings_count_where_they_matter(dataset: Dataset) -> None:
    def with_settings(**changed: Any) -> str:
        return key(replace(dataset, settings=replace(dataset.settings, **changed)))

    first = key(dataset)
    assert with_settings(training=TrainingSettings(seed=8)) != first
    assert with_settings(training=TrainingSettings(windows=3, horizon_days=14)) == first
    assert with_settings(gates={"coverage": 0.5}) == first
    assert with_settings(serving={"mail": ServingSettings("home", page_size=6)}) == first
    # What is off is told by the caller, who may leave out more.
    assert with_settings(sources=SourceSettings(("ease",))) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda d: {"prices": frozen(catalogue_of(d).prices + 1, np.float32)},
        lambda d: {"in_stock": frozen(~catalogue_of(d).in_stock, np.bool_)},
        lambda d: {"gone": frozen([0], np.int32)},
        lambda d: {"created_at": frozen(catalogue_of(d).created_at + 1, np.int64)},
        lambda d: {"codes": {"brand": frozen(np.zeros(len(d.item_ids)), np.int32)}},
    ],
)
def test_the_catalogue_is_part_of_the_key(dataset: Dataset, change: Callable[[Dataset], Any]) -> None:
    assert Keys.of(dataset, timeless(dataset, **change(dataset))) != Keys.of(dataset, timeless(dataset))


def test_embeddings_profiles_and_ids_are_part_of_the_key(dataset: Dataset) -> None:
    plain = timeless(dataset)
    first = Keys.of(dataset, plain)
    vectors, text_of = np.ones((1, 4), np.float32), frozen(np.zeros(len(dataset.item_ids)), np.int32)
    embedded = replace(plain, vectors=vectors, text_of=text_of)
    assert Keys.of(dataset, embedded) != first
    assert Keys.of(dataset, replace(embedded, vectors=vectors + 1)) != Keys.of(dataset, embedded)
    profiles = replace(plain.profiles, values=plain.profiles.values + 1)
    assert Keys.of(dataset, replace(plain, profiles=profiles)) != first
    assert Keys.of(replace(dataset, user_ids=[*dataset.user_ids[:-1], "zoe"]), plain) != first


def test_any_change_of_the_code_makes_other_keys(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "deep").mkdir(parents=True)
    (package / "deep" / "module.py").write_text("one = 1\n")
    (package / "notes.txt").touch()
    seen = {sources_digest([package])}
    (package / "notes.txt").write_text("no code")
    assert sources_digest([package]) in seen
    (package / "deep" / "module.py").write_text("one = 2\n")
    seen.add(sources_digest([package]))
    (package / "deep" / "module.py").rename(package / "module.py")
    seen.add(sources_digest([package]))
    assert len(seen) == 3
    (package / "module.py").unlink()
    assert sources_digest([package]) != sources_digest([package])
