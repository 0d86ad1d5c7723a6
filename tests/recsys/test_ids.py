from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import InputError, SnapshotCorrupt
from recsys.ids import IdMap
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=128)
ID_SETS = st.sets(TEXTS | st.text("牛奶面包茶abc", min_size=1, max_size=4), max_size=30)


@given(ID_SETS, st.lists(st.text(max_size=200), max_size=20))
def test_numbers_and_ids_are_inverse_and_everything_else_is_unknown(ids: set[str], others: list[str]) -> None:
    ids_map = IdMap.of(ids)
    expected = sorted(ids, key=lambda id: id.encode())

    assert [ids_map.id(number) for number in range(len(ids_map))] == expected
    assert ids_map.ids(range(len(ids_map))) == expected
    assert [ids_map.number(id) for id in expected] == list(range(len(ids)))
    asked = [*expected, *others]
    known = {id: number for number, id in enumerate(expected)}
    numbers = ids_map.numbers(asked)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == [known.get(id, -1) for id in asked]
    assert [ids_map.number(id) for id in others] == [known.get(id) for id in others]


def test_numbers_follow_the_bytes_and_not_the_order_given() -> None:
    ids_map = IdMap.of(["面包", "é", "b", "Z", "10", "9", "牛奶"])
    assert ids_map.ids(range(7)) == ["10", "9", "Z", "b", "é", "牛奶", "面包"]


@pytest.mark.parametrize("needle", ["a\x00", "\x00", "", "a" * 300, "\ud800", "ab"])
def test_an_id_that_differs_only_by_what_numpy_pads_or_cuts_is_unknown(needle: str) -> None:
    ids_map = IdMap.of(["a", "bcd"])
    assert ids_map.number(needle) is None
    assert ids_map.numbers([needle, "a"]).tolist() == [-1, 0]


def test_looking_up_a_wide_or_a_narrow_needle_does_not_copy_the_map() -> None:
    ids_map = IdMap.of(f"{number:07d}" for number in range(100_000))
    wide = "x" * 128
    tracemalloc.start()
    try:
        assert [ids_map.number(id) for id in (wide, "7", "0000007")] == [None, None, 7]
        assert ids_map.numbers([wide, "7", "0000007"]).tolist() == [-1, -1, 7]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ids_map.keys.nbytes / 10


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [
        (["a", "b", "a"], "unique, got 'a'"),
        (["a", ""], "empty"),
        (["x" * 129], "at most 128 characters, got 129"),
        (["a\nb"], "control characters"),
        (["a\x00"], "control characters"),
        (["a\x85"], "control characters"),
        (["\ud83d"], "valid Unicode"),
    ],
)
def test_ids_that_could_not_be_told_apart_are_refused(ids: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        IdMap.of(ids)


def test_an_id_of_128_characters_is_kept_whole_whatever_its_bytes() -> None:
    longest = "茶" * 128
    assert IdMap.of(["a", longest]).ids([1]) == [longest]


@pytest.mark.parametrize("number", [-1, 2])
def test_a_number_outside_the_map_is_an_error_and_never_another_id(number: int) -> None:
    ids_map = IdMap.of(["a", "b"])
    with pytest.raises(IndexError):
        ids_map.id(number)
    with pytest.raises(IndexError):
        ids_map.ids([0, number])


def test_an_empty_map_knows_nothing() -> None:
    ids_map = IdMap.of([])
    assert len(ids_map) == 0
    assert ids_map.number("a") is None
    assert ids_map.numbers(["a", ""]).tolist() == [-1, -1]
    assert ids_map.numbers([]).tolist() == []
    assert ids_map.ids([]) == []


@pytest.mark.parametrize("ids", [[], ["b", "牛奶", "a"]])
def test_a_map_read_back_is_mapped_from_disk_and_the_same(tmp_path: Path, ids: list[str]) -> None:
    IdMap.of(ids).write(SnapshotWriter(tmp_path), "items.ids")
    again = IdMap.read(SnapshotReader(tmp_path), "items.ids")
    assert again.ids(range(len(again))) == sorted(ids)
    assert not again.keys.flags.writeable
    assert not again.keys.flags.owndata


def test_an_array_that_holds_no_ids_is_refused_by_name(tmp_path: Path) -> None:
    SnapshotWriter(tmp_path).array("items.ids", np.arange(3))
    with pytest.raises(SnapshotCorrupt, match=r"items\.ids"):
        IdMap.read(SnapshotReader(tmp_path), "items.ids")
