from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.query import EMPTY_HISTORY, History, Query, known_bins
from recsys.two_tower import AMOUNT_SCALE, FADES_WEEKS, MOST_HISTORY, TwoTower, fading, history_inputs

HistoryOf = Callable[..., History]
Asked = Callable[..., Query]
WEEK = 7.0
# Of 4 items: an id's direction in the plane and a text of one number; item 3 has no id.
INPUTS = [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [0.6, 0.8, 0.0], [0.0, 0.0, 4.0]]
CENTRES = [[0.25, 0.0], [0.0, 0.5]]
PROFILE = [[0.5, -1.0], [2.0, 0.25], [1.0, 1.0]]
N_TOLD = 2 * (3 + 1) + 1 + 2
NO_BINS = frozen([], np.int32)


@pytest.fixture
def model() -> TwoTower:
    """A tower of random weights over inputs that can be worked out by hand; users 0 to 2, the last without profile."""
    rng = np.random.default_rng(1)
    return TwoTower(
        vectors=frozen(rng.normal(size=(4, 3)), np.float32),
        items=frozen(np.arange(4), np.int32),
        inputs=frozen(INPUTS, np.float32),
        centres=frozen(CENTRES, np.float32),
        bins=frozen([[0, 2], [1, -1], [-1, -1]], np.int32),
        profile=frozen(PROFILE, np.float32),
        linear=frozen(rng.normal(size=(N_TOLD, 3)), np.float32),
        bias=frozen(rng.normal(size=3), np.float32),
        hidden=frozen(rng.normal(size=(N_TOLD, 4)), np.float32),
        hidden_bias=frozen(rng.normal(size=4), np.float32),
        top=frozen(rng.normal(size=(4, 2)), np.float32),
    )


def by_hand(model: TwoTower, told: list[float]) -> list[float]:
    """What the tower answers, written out entry by entry."""
    units = [
        max(0.0, sum(x * float(w) for x, w in zip(told, column, strict=True)) + float(b))
        for column, b in zip(model.hidden.T, model.hidden_bias, strict=True)
    ]
    out = [
        sum(x * float(w) for x, w in zip(told, column, strict=True)) + float(b)
        for column, b in zip(model.linear.T, model.bias, strict=True)
    ]
    for place in range(2):
        out[place] += sum(unit * float(w) for unit, w in zip(units, model.top[:, place], strict=True))
    return out


def test_the_tower_is_told_directions_texts_amounts_and_the_profile(
    model: TwoTower, history: HistoryOf, now: int
) -> None:
    taken = history([(0, 4 * WEEK, 1.0, True), (1, 0, 2.0, True)])
    told: list[float] = []
    amounts = []
    for fade, centre in zip(FADES_WEEKS, CENTRES, strict=True):
        first, second = math.exp(-4 / fade), 2.0
        x, y, text = first / (first + second), second / (first + second), (2 * first - second) / (first + second)
        x, y = x - centre[0], y - centre[1]
        told += [x / math.hypot(x, y), y / math.hypot(x, y), text]
        amounts.append(AMOUNT_SCALE * math.log1p(first + second))
    told += [*amounts, 0.0, PROFILE[0][0] + PROFILE[2][0], PROFILE[0][1] + PROFILE[2][1]]
    vector = model.vector_of(taken, known_bins(model.bins, 0), at=now)
    assert vector is not None
    assert vector.dtype == np.float32
    assert vector.tolist() == pytest.approx(by_hand(model, told), rel=1e-4)


def test_a_profile_alone_is_told_with_a_flag_that_says_so(model: TwoTower, now: int) -> None:
    vector = model.vector_of(EMPTY_HISTORY, known_bins(model.bins, 1), at=now)
    assert vector is not None
    assert vector.tolist() == pytest.approx(by_hand(model, [0.0] * 8 + [1.0, *PROFILE[1]]), rel=1e-5)


@pytest.mark.parametrize("user", [2, None])
def test_neither_history_nor_profile_is_no_vector(model: TwoTower, now: int, user: int | None) -> None:
    assert model.vector_of(EMPTY_HISTORY, known_bins(model.bins, user), at=now) is None


def test_a_history_of_dislikes_is_none(model: TwoTower, history: HistoryOf, now: int) -> None:
    disliked = history([(0, 1.0, 0.0, True), (2, 3.0, 0.0, True)])
    assert model.vector_of(disliked, NO_BINS, at=now) is None
    with_profile = model.vector_of(disliked, known_bins(model.bins, 1), at=now)
    alone = model.vector_of(EMPTY_HISTORY, known_bins(model.bins, 1), at=now)
    assert with_profile is not None
    assert alone is not None
    assert with_profile.tobytes() == alone.tobytes()


def test_a_history_is_enough_for_a_stranger_to_the_snapshot(model: TwoTower, history: HistoryOf, now: int) -> None:
    taken = history([(2, 1.0, 1.0, True)])
    stranger, bare = model.vector_of(taken, NO_BINS, at=now), model.vector_of(taken, known_bins(model.bins, 2), at=now)
    assert stranger is not None
    assert bare is not None
    assert stranger.tobytes() == bare.tobytes()


def test_only_the_newest_interactions_are_looked_at(model: TwoTower, history: HistoryOf, now: int) -> None:
    newest = [(0, 1.0 + day / 100, 1.0, True) for day in range(MOST_HISTORY)]
    short, long = history(newest), history([*newest, (1, 50.0, 9.0, True)])
    assert len(long) == MOST_HISTORY + 1
    vectors = [model.vector_of(each, NO_BINS, at=now) for each in (short, long)]
    assert vectors[0] is not None
    assert vectors[1] is not None
    assert vectors[0].tobytes() == vectors[1].tobytes()


def test_the_vector_is_worked_out_once_a_query(model: TwoTower, history: HistoryOf, asked: Asked) -> None:
    query = asked(history([(2, 1.0, 1.0, True)]), 4)
    vector = model.user_vector(query)
    assert vector is not None
    assert model.user_vector(replace(query, limit=3)) is vector
    # Another model remembers for itself.
    assert model.user_vector(query) is not replace(model, bias=model.bias + 1).user_vector(query)


def test_weights_fade_to_a_third_over_each_span() -> None:
    kept = fading(frozen([3.0, 0.0], np.float32), np.array([FADES_WEEKS[0], 1.0]))
    assert kept[0].tolist() == pytest.approx([3 / math.e, 3 * math.exp(-FADES_WEEKS[0] / FADES_WEEKS[1])])
    assert kept[1].tolist() == [0.0, 0.0]


def test_a_batch_is_told_the_same_as_each_alone() -> None:
    rng = np.random.default_rng(3)
    means, totals = rng.normal(size=(5, 2, 3)).astype(np.float32), rng.uniform(0.1, 9, size=(5, 2))
    totals[3] = 0.0
    centres = frozen(CENTRES, np.float32)
    batch = history_inputs(means, totals, centres)
    for row in range(5):
        alone = history_inputs(means[row : row + 1], totals[row : row + 1], centres)
        assert alone[0].tobytes() == batch[row].tobytes()
    assert batch[3].tolist() == [0.0] * 8 + [1.0]
