"""Training rows, and above all what must not reach them: anything from after the window's start."""

from __future__ import annotations

import numpy as np
import pytest

from index.fit import Timeless, fit
from index.frames import Frame, frame_of
from index.windows import Window, truth_in
from recsys.arrays import frozen
from recsys.ask import Ask, resolve
from recsys.catalogue import Catalogue
from recsys.evaluation.truth import Truth
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.model import Snapshot
from recsys.profiles import Profiles
from recsys.serving import built_in
from recsys.text_column import TextColumn

START, DAY = 1_500_000_000, 86_400
N_USERS, N_ITEMS = 20, 24
USER_IDS = [f"u{user:02d}" for user in range(N_USERS)]
Row = tuple[int, int, int]


@pytest.fixture(scope="module")
def timeless() -> Timeless:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(N_ITEMS, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    catalogue = Catalogue(
        items=IdMap.of(f"i{item:02d}" for item in range(N_ITEMS)),
        titles=TextColumn.of([""] * N_ITEMS),
        categories=TextColumn.of([""] * N_ITEMS),
        brands=TextColumn.of([""] * N_ITEMS),
        prices=frozen(rng.uniform(1, 9, N_ITEMS), np.float32),
        in_stock=np.ones(N_ITEMS, bool),
        created_at=np.zeros(N_ITEMS, np.int64),
        codes={"category_1": frozen(np.arange(N_ITEMS) % 4, np.int32)},
    )
    profiles = Profiles(("age",), rng.uniform(20, 60, (N_USERS, 1)).astype(np.float32))
    return Timeless.of(catalogue, profiles, vectors, frozen(np.arange(N_ITEMS), np.int32), seed=0)


@pytest.fixture(scope="module")
def past() -> list[Row]:
    """300 events of 19 of the 20 users in the 100 days before the window."""
    rng = np.random.default_rng(2)
    users, items = rng.integers(0, N_USERS - 1, 300), np.minimum(rng.geometric(0.1, 300) - 1, N_ITEMS - 2)
    times = START - 1 - rng.integers(0, 100 * DAY, 300)
    return list(zip(users.tolist(), items.tolist(), times.tolist(), strict=True))


@pytest.fixture(scope="module")
def future() -> list[Row]:
    """Events from the very second of the window's start on: a rush to an item nobody had, by everybody."""
    rush = [(user, N_ITEMS - 1, START + user * DAY) for user in range(N_USERS)]
    return [*rush, (3, 5, START), (N_USERS - 1, 0, START)]


def table_of(rows: list[Row]) -> Interactions:
    users, items, times = zip(*rows, strict=True)
    return Interactions.ordered(
        users=users, items=items, times=times, weights=np.ones(len(rows)), targets=np.ones(len(rows), bool)
    )


def snapshot_of(timeless: Timeless, fitted_on: Interactions, histories: Interactions) -> Snapshot:
    return Snapshot.of(
        fit(timeless, fitted_on, N_USERS, at=START, seed=0),
        rankers={},
        users=IdMap.of(USER_IDS),
        histories=Histories.of_interactions(histories, N_USERS),
        configs=built_in(),
        last_event_at=int(histories.times.max()),
    )


def built(timeless: Timeless, rows: list[Row]) -> Snapshot:
    """As a rebuild makes it: sources on what lies before the window; histories here even with what lies after."""
    table = table_of(rows)
    return snapshot_of(timeless, table.before(START), table)


def everybody() -> Truth:
    """Something to ask about for every user, those without history too."""
    users = np.arange(N_USERS, dtype=np.int32)
    return Truth.of(users, (users * 7 % N_ITEMS).astype(np.int32), N_ITEMS)


def frame(snapshot: Snapshot) -> Frame:
    return frame_of(snapshot, everybody(), USER_IDS, at=START)


def equal(a: Frame, b: Frame) -> bool:
    columns = ("features", "labels", "new", "query", "items")
    return all(getattr(a, column).tobytes() == getattr(b, column).tobytes() for column in columns)


def test_what_happens_from_the_windows_start_on_moves_not_one_bit(
    timeless: Timeless, past: list[Row], future: list[Row]
) -> None:
    before, after = built(timeless, past), built(timeless, past + future)
    assert after.last_event_at > START
    assert equal(frame(before), frame(after))
    statistics = [snapshot.model.context.statistics.values for snapshot in (before, after)]
    assert statistics[0].tobytes() == statistics[1].tobytes()


@pytest.mark.parametrize("position", [0, 19, 20, 21])
def test_the_same_events_one_second_before_the_start_are_seen(
    timeless: Timeless, past: list[Row], future: list[Row], position: int
) -> None:
    user, item, _ = future[position]
    assert not equal(frame(built(timeless, past)), frame(built(timeless, [*past, (user, item, START - 1)])))


def test_a_future_event_in_the_fit_would_be_noticed_by_this_test(
    timeless: Timeless, past: list[Row], future: list[Row]
) -> None:
    honest = table_of(past + future)
    leaky = snapshot_of(timeless, honest, honest)
    assert not equal(frame(built(timeless, past)), frame(leaky))


@pytest.mark.parametrize("config", ["home", "discover", "buy-again"])
def test_no_candidate_depends_on_what_comes_after_the_question(
    timeless: Timeless, past: list[Row], future: list[Row], config: str
) -> None:
    before, after = built(timeless, past), built(timeless, past + future)
    for user_id in USER_IDS:
        ask = Ask(at=START, user_id=user_id, serving_config=config)
        pair = [snapshot.pipeline.retrieve(resolve(ask, snapshot).query)[0] for snapshot in (before, after)]
        assert pair[0].items.tolist() == pair[1].items.tolist()
        assert pair[0].scores.tobytes() == pair[1].scores.tobytes()


def test_rows_are_labelled_by_the_truth_and_told_apart_by_ownership(timeless: Timeless, past: list[Row]) -> None:
    rows, owned = frame(built(timeless, past)), {(user, item) for user, item, _ in past}
    truth = everybody()
    for query, item, label, new in zip(
        rows.query.tolist(), rows.items.tolist(), rows.labels.tolist(), rows.new.tolist(), strict=True
    ):
        user = int(truth.users[query])
        assert label == (item == user * 7 % N_ITEMS)
        assert new == ((user, item) not in owned)
    assert rows.labels.any()
    assert rows.new.any()
    assert not rows.new.all()


def test_features_are_those_of_the_online_path(timeless: Timeless, past: list[Row]) -> None:
    snapshot = built(timeless, past)
    rows = frame(snapshot)
    seen: list[bytes] = []

    class Spy:
        def score(self, features: np.ndarray) -> np.ndarray:
            seen.append(features.tobytes())
            return np.zeros(len(features))

    pipeline = snapshot.model.pipeline({"home": Spy()})  # type: ignore[dict-item]
    for position, user_id in enumerate(USER_IDS):
        pipeline.recommend(resolve(Ask(at=START, user_id=user_id), snapshot).query)
        assert seen[-1] == rows.features[rows.query == position].tobytes()


def test_progress_is_told_of_every_user_and_no_user_makes_no_rows(timeless: Timeless, past: list[Row]) -> None:
    snapshot = built(timeless, past)
    told: list[int] = []
    frame_of(snapshot, everybody(), USER_IDS, at=START, advance=told.append)
    assert sum(told) == N_USERS
    none = frame_of(snapshot, everybody().among(np.empty(0, np.int32)), USER_IDS, at=START)
    assert len(none) == 0
    assert none.features.shape == (0, len(snapshot.feature_names))
    assert none.labels.dtype == none.new.dtype == np.bool_


def test_thinning_keeps_every_positive_and_the_share_asked_for(timeless: Timeless, past: list[Row]) -> None:
    rows = frame(built(timeless, past))
    rng = np.random.default_rng(0)
    assert rows.thinned(0.0, rng).labels.tolist() == [True] * int(rows.labels.sum())
    assert equal(rows.thinned(1.0, rng), rows)
    half = rows.thinned(0.5, rng)
    assert half.labels.sum() == rows.labels.sum()
    assert 0.3 < (len(half) - half.labels.sum()) / (len(rows) - rows.labels.sum()) < 0.7


def test_a_share_is_of_all_negatives_however_many_were_dropped_before(timeless: Timeless, past: list[Row]) -> None:
    rows = frame(built(timeless, past))
    rng = np.random.default_rng(0)
    half = rows.thinned(0.5, rng)
    assert half.kept == 0.5
    assert equal(half.thinned(0.5, rng), half)
    quarter = half.thinned(0.25, rng)
    assert quarter.kept == 0.25
    n_negatives = [len(part) - int(part.labels.sum()) for part in (half, quarter)]
    assert 0.3 < n_negatives[1] / n_negatives[0] < 0.7


def test_the_truth_of_a_window_is_of_users_with_a_past(past: list[Row], future: list[Row]) -> None:
    table = table_of(past + future)
    truth = truth_in(table, Window(START, START + 2 * DAY), N_ITEMS)
    # Users 0 and 1 within two days and user 3's first; user 19 comes from nowhere, others come later.
    pairs = list(zip(np.repeat(truth.users, truth.sizes).tolist(), truth.items.tolist(), strict=True))
    assert pairs == [(0, N_ITEMS - 1), (1, N_ITEMS - 1), (3, 5)]
