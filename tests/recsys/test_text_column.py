from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.errors import InputError, SnapshotCorrupt
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.text_column import TextColumn


@given(st.lists(st.text() | st.text("全脂牛奶 1L\x00"), max_size=30))
def test_every_text_comes_back_as_it_was(texts: list[str]) -> None:
    column = TextColumn.of(iter(texts))
    assert len(column) == len(texts)
    assert [column[number] for number in range(len(texts))] == texts
    backwards = list(range(len(texts)))[::-1]
    assert column.many(np.array(backwards, np.int32)) == texts[::-1]


def test_offsets_count_bytes_and_not_characters() -> None:
    column = TextColumn.of(["a", "", "牛奶"])
    assert column.offsets.tolist() == [0, 1, 1, 7]
    assert column.blob.nbytes == 7


@pytest.mark.parametrize("number", [-1, 2])
def test_a_number_outside_the_column_is_an_error_and_never_another_text(number: int) -> None:
    column = TextColumn.of(["a", "b"])
    with pytest.raises(IndexError):
        column[number]
    with pytest.raises(IndexError):
        column.many([0, number])


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError, match="valid Unicode"):
        TextColumn.of(["ok", "\ud83d"])


@pytest.mark.parametrize("texts", [[], ["", ""], ["Whole milk", "", "全脂牛奶"]])
def test_a_column_read_back_is_mapped_from_disk_and_the_same(tmp_path: Path, texts: list[str]) -> None:
    TextColumn.of(texts).write(SnapshotWriter(tmp_path), "items.titles")
    again = TextColumn.read(SnapshotReader(tmp_path), "items.titles")
    assert again.many(range(len(again))) == texts
    assert not again.blob.flags.writeable
    assert not again.offsets.flags.owndata


@pytest.mark.parametrize(
    "offsets",
    [
        np.array([0, 1]),
        np.array([1, 3]),
        np.array([0, 2, 1, 3]),
        np.array([], np.int64),
        np.array([[0, 3]]),
        np.array([0.0, 3.0]),
    ],
)
def test_offsets_that_do_not_fit_the_blob_are_refused(tmp_path: Path, offsets: NDArray[Any]) -> None:
    out = SnapshotWriter(tmp_path)
    out.array("items.titles.blob", np.zeros(3, np.uint8))
    out.array("items.titles.offsets", offsets)
    with pytest.raises(SnapshotCorrupt, match=r"items\.titles"):
        TextColumn.read(SnapshotReader(tmp_path), "items.titles")
