"""What is kept of filters: evaluated once, bounded, the same from several threads and from a stored snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.arrays import Bool
from recsys.errors import FilterError, SnapshotCorrupt
from recsys.filters import kept
from recsys.filters.columns import Booleans, Column, Columns, Numbers, TextLists, Texts
from recsys.filters.dictionary import Coded
from recsys.filters.kept import Filters
from recsys.filters.predicate import Predicate, compile_filter
from recsys.model import Snapshot
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

COLUMNS = Columns(11, {"price": Numbers(np.arange(11, dtype=np.float32))})
TITLES = ["Whole MILK 1 l", "Milkshake", "", "Straße", "Brot", "whole milk"]


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The filters that were compiled and those that were evaluated, in order."""
    calls: list[str] = []

    def counted(text: str, schema: Any) -> Predicate:
        predicate = compile_filter(text, schema)
        calls.append(f"compiled {text}")

        def mask(columns: Columns) -> Bool:
            calls.append(f"evaluated {text}")
            return predicate.mask(columns)

        return Predicate(mask)

    monkeypatch.setattr(kept, "compile_filter", counted)
    return calls


def test_a_filter_is_compiled_and_evaluated_once(evaluated: list[str]) -> None:
    filters = Filters(COLUMNS)
    filters.check("price > 3")
    masks = [filters.mask("price > 3").tolist() for _ in range(3)]
    assert masks == [[i > 3 for i in range(11)]] * 3
    assert evaluated == ["compiled price > 3", "evaluated price > 3"]


def test_a_mask_is_the_callers_own(evaluated: list[str]) -> None:
    filters = Filters(COLUMNS)
    filters.mask("price > 3")[:] = False
    assert filters.mask("price > 3").sum() == 7


def test_only_the_filters_used_last_are_kept(evaluated: list[str]) -> None:
    filters = Filters(COLUMNS, most=2)
    for text in ("price > 1", "price > 2", "price > 1", "price > 3", "price > 1", "price > 2"):
        filters.mask(text)
    compiled = [call.removeprefix("compiled ") for call in evaluated if call.startswith("compiled")]
    # The first one was used again before the third came: the second had to go.
    assert compiled == ["price > 1", "price > 2", "price > 3", "price > 2"]


def test_threads_with_one_filter_wait_for_one_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    n_threads = 4
    together = threading.Barrier(n_threads)
    n_evaluated = 0

    def slow(text: str, schema: Any) -> Predicate:
        predicate = compile_filter(text, schema)
        together.wait(10)  # all of them find nothing kept

        def mask(columns: Columns) -> Bool:
            nonlocal n_evaluated
            n_evaluated += 1
            return predicate.mask(columns)

        return Predicate(mask)

    monkeypatch.setattr(kept, "compile_filter", slow)
    filters = Filters(COLUMNS)
    with ThreadPoolExecutor(n_threads) as threads:
        masks = list(threads.map(lambda _: filters.mask("price > 3").tolist(), range(n_threads)))
    assert masks == [[i > 3 for i in range(11)]] * n_threads
    assert n_evaluated == 1


def test_a_bad_filter_is_refused_each_time_and_leaves_nothing() -> None:
    filters = Filters(COLUMNS, most=1)
    filters.check("price > 3")
    for _ in range(2):
        with pytest.raises(FilterError, match="unknown field"):
            filters.check("colour = red")
    assert filters.mask("price > 3").sum() == 7


@pytest.fixture
def shop(world: Callable[..., Snapshot]) -> Snapshot:
    return world([(0, 1, 3)], n_users=1, n_items=len(TITLES), titles=TITLES)


FILTERS = ("milk", 'title:"whole milk"', 'title = "Straße"', 'title:"STRASSE"', "NOT title:*", 'title < "M"')


@pytest.mark.parametrize("stored", [True, False])
def test_a_stored_snapshot_filters_as_the_one_in_memory(shop: Snapshot, tmp_path: Path, stored: bool) -> None:
    """Also one that was written before filters were."""
    shop.catalogue.write(SnapshotWriter(tmp_path))
    if stored:
        shop.filters.write(SnapshotWriter(tmp_path))
    read = Filters.read(SnapshotReader(tmp_path), shop.catalogue)
    found = [read.mask(text).tolist() for text in FILTERS]
    assert found == [shop.filters.mask(text).tolist() for text in FILTERS]
    assert [sum(mask) for mask in found] == [2, 2, 1, 1, 1, 1]


def test_attributes_are_stored_and_filtered(shop: Snapshot, tmp_path: Path) -> None:
    attributes = {
        "fat %": Numbers(np.array([3.5, np.nan, 1, 0, 0, 1.5])),
        "shelf": Texts(Coded.of(["Top", "", "low", "top", "Top", ""])),
        "tags": TextLists.of([["vegan", "bio"], [], ["Vegan"], ["bio"], [], ["vegan shoes"]]),
        "organic": Booleans(np.array([1, 0, 1, 0, 0, 1], bool), np.array([1, 1, 1, 0, 1, 1], bool)),
        "frozen": Booleans(np.array([1, 0, 1, 0, 0, 1], bool)),
    }
    Filters.of(shop.catalogue, attributes).write(SnapshotWriter(tmp_path))
    read = Filters.read(SnapshotReader(tmp_path), shop.catalogue)
    assert read.mask('attributes."fat %" >= 1.5').tolist() == [True, False, False, False, False, True]
    assert read.mask("attributes.shelf:top").tolist() == [True, False, False, True, True, False]
    assert read.mask("attributes.shelf = Top").tolist() == [True, False, False, False, True, False]
    assert read.mask("attributes.tags:vegan").tolist() == [True, False, True, False, False, False]
    assert read.mask("NOT attributes.tags:*").tolist() == [False, True, False, False, True, False]
    assert read.mask("attributes.organic = true").tolist() == [True, False, True, False, False, True]
    assert read.mask("attributes.organic = false").tolist() == [False, True, False, False, True, False]
    assert read.mask("NOT attributes.organic:*").tolist() == [False, False, False, True, False, False]
    assert read.mask("attributes.frozen != true").tolist() == [False, True, False, True, True, False]
    items = np.array([5, 3, 0], np.int32)
    assert read.attributes(items) == {
        "fat %": [1.5, 0.0, 3.5],
        "shelf": [None, "top", "Top"],
        "tags": [("vegan shoes",), ("bio",), ("vegan", "bio")],
        "organic": [True, None, True],
        "frozen": [True, False, True],
    }
    with pytest.raises(FilterError, match=r"unknown field \"attributes\.fat\""):
        read.check("attributes.fat = 1")
    with pytest.raises(FilterError, match=r"attributes\.tags is a list of text: only : compares it"):
        read.check('attributes.tags = "vegan"')
    with pytest.raises(FilterError, match=r"attributes\.organic must be compared with true or false, got \"yes\""):
        read.check("attributes.organic = yes")
    with pytest.raises(FilterError, match=r"attributes\.organic is true or false: only =, != and : compare it"):
        read.check("attributes.organic > false")


def test_what_is_stored_is_not_worked_out_again(
    shop: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.filters.write(SnapshotWriter(tmp_path))
    read = Filters.read(SnapshotReader(tmp_path), shop.catalogue)

    def again(*_: object) -> Coded:
        raise AssertionError("worked out again")

    monkeypatch.setattr(Coded, "of", again)
    assert read.mask('title:"milk"').sum() == 2


TAGS = TextLists.of([["a", "b"], [], ["c"], [], [], []])
ORGANIC = Booleans(np.ones(6, bool), np.ones(6, bool))


@pytest.mark.parametrize(
    ("column", "part", "values"),
    [
        (TAGS, "offsets", np.array([0, 2, 1, 3, 3, 3, 3])),
        (TAGS, "offsets", np.array([0, 2, 2, 3, 3, 3, 4])),
        (TAGS, "offsets", np.array([1, 2, 2, 3, 3, 3, 3])),
        (TAGS, "offsets", np.array([0, 2, 2, 3, 3, 3, 3], np.int32)),
        (TAGS, "offsets", np.empty(0, np.int64)),
        (TAGS, "entries.codes", np.array([0, 1, 3], np.int32)),
        (TAGS, "entries.codes", np.array([0, -2, 1], np.int32)),
        (TAGS, "entries.codes", np.array([0, 1], np.int32)),
        (TAGS, "entries.codes", np.array([0, 1, 2], np.int64)),
        (ORGANIC, "flags", np.ones(6, np.uint8)),
        (ORGANIC, "known", np.ones(5, bool)),
        (ORGANIC, "known", np.ones((6, 1), bool)),
    ],
)
def test_attributes_whose_parts_do_not_fit_together_are_refused(
    shop: Snapshot, tmp_path: Path, column: Column, part: str, values: Any
) -> None:
    Filters.of(shop.catalogue, {"one": column}).write(SnapshotWriter(tmp_path))
    Filters.read(SnapshotReader(tmp_path), shop.catalogue)
    np.save(tmp_path / f"arrays/filters.attributes.0.{part}.npy", values)
    with pytest.raises(SnapshotCorrupt, match=r"filters\.attributes\.0"):
        Filters.read(SnapshotReader(tmp_path), shop.catalogue)


def test_parts_that_do_not_fit_together_are_refused(shop: Snapshot, tmp_path: Path) -> None:
    shop.filters.write(SnapshotWriter(tmp_path))
    np.save(tmp_path / "arrays/filters.title.codes.npy", np.zeros((2, 2), np.int32))
    with pytest.raises(SnapshotCorrupt, match=r"filters\.title"):
        Filters.read(SnapshotReader(tmp_path), shop.catalogue)
