"""Ages of items beyond the log: every window has others, so no forest may tell them apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from index.frames import Frame
from index.labelled import Labelled
from index.learn import CREATED, cut_off
from index.windows import Window
from recsys.arrays import frozen
from recsys.evaluation.truth import Truth
from recsys.features.item import ItemColumns


def labelled(ages: list[float], name: str = CREATED) -> Labelled:
    n = len(ages)
    none, zeros = np.zeros(n, bool), np.zeros(n, np.int64)
    features = np.stack([np.arange(n), ages], axis=1).astype(np.float32)
    features.setflags(write=False)  # as rows that an earlier build kept
    truth = Truth.of(frozen([0], np.int32), frozen([0], np.int32), 3)
    frame = Frame(features, none, none, zeros, frozen(zeros, np.int32))
    return Labelled(Window(0, 1), truth, {"all": truth}, frame, whole=True, names=("other", name))


def test_no_item_is_older_than_the_oldest_window_could_know() -> None:
    rows = labelled([1.0, 8.0, 20.5, np.nan])
    found = cut_off(rows, 8.0)
    np.testing.assert_array_equal(found.frame.features[:, 1], np.array([1.0, 8.0, 8.0, np.nan], np.float32))
    np.testing.assert_array_equal(found.frame.features[:, 0], rows.frame.features[:, 0])
    assert rows.frame.features[2, 1] == np.float32(20.5)  # what is kept for the next build stays as it was


def test_rows_of_all_that_users_did_are_cut_too() -> None:
    rows = labelled([1.0])
    older = labelled([20.5, 3.0]).frame
    found = cut_off(replace(rows, acted=older), 8.0)
    assert found.frame is rows.frame
    assert found.acted is not None
    assert found.acted.features[:, 1].tolist() == [8.0, 3.0]


def test_rows_that_need_no_cut_are_not_copied() -> None:
    for rows in (labelled([1.0, 7.5, np.nan]), labelled([np.nan, np.nan]), labelled([30.0], "another_column")):
        assert cut_off(rows, 8.0).frame is rows.frame


def test_the_column_is_one_of_the_item_s() -> None:
    assert CREATED in ItemColumns.names
