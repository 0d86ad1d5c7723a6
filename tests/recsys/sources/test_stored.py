"""Every source of a snapshot is written under its name and read back to the same scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import SchemaMismatch
from recsys.model import Snapshot
from recsys.query import Query
from recsys.snapshot.canonical import canonical, parsed
from recsys.snapshot.files import SnapshotReader, SnapshotWriter
from recsys.sources.protocol import Scorer
from recsys.sources.stored import FILE, READERS, read_sources, write_sources
from recsys.sparse import SparseTable
from recsys.two_tower import TwoTower


@pytest.fixture
def written(board: Snapshot, tmp_path: Path) -> Path:
    write_sources(SnapshotWriter(tmp_path), board.model.more)
    return tmp_path


def test_every_kind_that_can_be_read_is_among_them(board: Snapshot) -> None:
    assert {type(source).__name__ for source in board.model.more} == set(READERS)


def test_sources_come_back_in_order_with_the_same_hits_and_scores(
    board: Snapshot, written: Path, query_of: Callable[..., Query]
) -> None:
    loaded = read_sources(SnapshotReader(written))
    assert [(source.name, type(source)) for source in loaded] == [(s.name, type(s)) for s in board.model.more]
    items = np.arange(16, dtype=np.int32)
    for user_id in ("u00", "u07", ""):
        for before, after in zip(board.model.more, loaded, strict=True):
            # Each its own question: they would remember one another's answer.
            hits = [source.retrieve(query_of(board, user_id), 50) for source in (before, after)]
            assert hits[0].items.tobytes() == hits[1].items.tobytes(), before.name
            assert hits[0].scores.tobytes() == hits[1].scores.tobytes(), before.name
            if isinstance(before, Scorer) and isinstance(after, Scorer):
                scores = [source.score(query_of(board, user_id), items) for source in (before, after)]
                assert scores[0].tobytes() == scores[1].tobytes(), before.name


def test_their_arrays_are_mapped_from_the_files_and_not_copied(written: Path) -> None:
    for source in read_sources(SnapshotReader(written)):
        parts = [getattr(source, field.name) for field in fields(source)]
        nested = [part for part in parts if isinstance(part, SparseTable | TwoTower)]
        parts += [getattr(part, field.name) for part in nested for field in fields(part)]
        found = [part for part in parts if isinstance(part, np.ndarray)]
        assert found, source.name
        assert all(is_mapped(array) for array in found), source.name
        assert not any(array.flags.writeable for array in found), source.name


def is_mapped(array: object) -> bool:
    """Whether an array is a view, however deep, of a file."""
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


def test_a_kind_of_another_version_is_refused_by_name(written: Path) -> None:
    entries = parsed((written / FILE).read_bytes())
    entries[1]["kind"] = "Oracle"
    (written / FILE).write_bytes(canonical(entries))
    with pytest.raises(SchemaMismatch, match="Oracle"):
        read_sources(SnapshotReader(written))


def test_no_sources_are_none(tmp_path: Path) -> None:
    assert read_sources(SnapshotReader(tmp_path)) == ()
    write_sources(SnapshotWriter(tmp_path), ())
    assert read_sources(SnapshotReader(tmp_path)) == ()
