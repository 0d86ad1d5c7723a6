from __future__ import annotations

import numpy as np
import pytest

from index.frames import Frame
from index.worth import LEAST_GAIN, Worth, best_of, dropped, lacks_sources, rescored, source_of
from recsys.arrays import Float32, Float64

NAMES = ("a_rank", "b_rank", "a_score", "b_closeness", "own_count")
NAN = np.nan


@pytest.fixture
def frame() -> Frame:
    """Found by a alone, by b alone, by both."""
    features = [[0, NAN, 5, 0.1, 1], [NAN, 3, NAN, 0.2, 2], [1, 4, 6, 0.3, 3]]
    return Frame(
        features=np.array(features, np.float32),
        labels=np.array([True, False, True]),
        new=np.ones(3, bool),
        query=np.array([0, 0, 1]),
        items=np.array([7, 8, 9], np.int32),
    )


class Weighed:
    """Weighs every column, an unknown one as -1, and remembers how many rows it was asked about."""

    def __init__(self) -> None:
        self.n_rows = 0

    def score(self, features: Float32) -> Float64:
        self.n_rows += len(features)
        return np.nan_to_num(features, nan=-1.0) @ np.array([1e4, 1e3, 1e2, 1e1, 1.0])


def test_without_a_source_its_own_candidates_go_and_its_columns_are_unknown(frame: Frame) -> None:
    ranker = Weighed()
    whole = ranker.score(frame.features)
    left, scores = rescored(frame, whole, ranker, NAMES, "a")
    assert left.items.tolist() == [8, 9]
    blind = frame.features[1:].copy()
    blind[:, [0, 2]] = NAN
    assert scores.tolist() == Weighed().score(blind).tolist()
    assert frame.features[2, 0] == 1  # the frame itself stays
    assert ranker.n_rows == 3 + 1  # of the row that a says nothing of, nothing is asked again


def test_what_is_far_from_the_top_is_left_alone(monkeypatch: pytest.MonkeyPatch, frame: Frame) -> None:
    monkeypatch.setattr("index.worth.MOST_PLACES", 1)
    assert best_of(frame, np.array([0.1, 0.2, -5.0]), 2).tolist() == [False, True, True]


def test_a_source_that_says_nothing_changes_no_score(frame: Frame) -> None:
    ranker = Weighed()
    whole = ranker.score(frame.features)
    left, scores = rescored(frame, whole, ranker, NAMES, "c")
    assert (left.items.tolist(), scores.tolist(), ranker.n_rows) == ([7, 8, 9], whole.tolist(), 3)


def test_a_dropped_source_leaves_rows_as_if_it_had_never_been_asked(frame: Frame) -> None:
    left = dropped(frame, NAMES, ("a_rank", "a_score", "own_count"))
    assert left.items.tolist() == [7, 9]
    assert left.features.tolist() == [[0, 5, 1], [1, 6, 3]]
    assert left.labels.tolist() == [True, True]


def test_columns_a_row_never_had_are_unknown_and_the_others_stay_with_their_names(frame: Frame) -> None:
    wider = frame.spread(NAMES, ("own_count", "c_rank", "a_rank"))
    assert wider.features[:, [0, 2]].tobytes() == frame.features[:, [4, 0]].tobytes()
    assert np.isnan(wider.features[:, 1]).all()
    assert wider.labels.tolist() == frame.labels.tolist()


@pytest.mark.parametrize(
    ("had", "lacks"),
    [
        (("als_rank", "own_count"), True),
        (("als_rank", "own_count", "two-tower_rank"), True),
        (("als_rank", "two-tower_rank", "two-tower_closeness"), False),  # a column that is of no source
        (("own_count", "two-tower_rank", "two-tower_closeness"), False),  # a source that is not optional
        (("als_rank", "own_count", "segment_rank"), False),  # one more than wanted
    ],
)
def test_rows_may_lack_the_columns_of_optional_sources_alone(had: tuple[str, ...], lacks: bool) -> None:
    assert lacks_sources(had, ("als_rank", "own_count", "two-tower_rank", "two-tower_closeness")) is lacks


def test_features_know_their_source() -> None:
    assert [source_of(name) for name in (*NAMES, "user-knn_rank")] == ["a", "b", "a", "b", "", "user-knn"]


def test_a_source_pays_by_what_it_wins_and_some_always_stay() -> None:
    assert not Worth("next", {}, LEAST_GAIN / 2, cost_ms=0.0).pays
    assert Worth("next", {}, LEAST_GAIN, cost_ms=99.0).pays
    assert Worth("popular", {}, -1.0, cost_ms=99.0).pays
    assert Worth("trending", {}, -1.0, cost_ms=99.0, follower="newcomers").pays


def test_the_manifest_is_told_why_a_source_stays_or_goes() -> None:
    whys = [Worth("next", {}, relative, 1.0).choice.why for relative in (0.05, 0.0004, -0.1)]
    assert whys == [
        "wins 5.00 % of NDCG@10",
        "wins 0.04 % of NDCG@10, 0.1 % are asked",
        "wins nothing, 0.1 % are asked",
    ]
    followed = [Worth("trending", {}, relative, 1.0, "newcomers").choice.why for relative in (0.05, -0.1)]
    assert followed == ["wins 5.00 % of NDCG@10", "newcomers are ordered by it, whatever it wins elsewhere"]
    choice = Worth("popular", {"all": -0.1234567}, -1.0, 0.12345).choice
    assert choice.why.endswith("whatever it wins")
    assert (choice.gains, choice.cost_ms, choice.kept) == ({"all": -0.123457}, 0.123, True)
