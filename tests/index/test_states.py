from __future__ import annotations

import numpy as np
import pytest

from index import states as states_module
from index.states import States
from recsys.arrays import frozen
from recsys.histories import Histories
from recsys.interactions import Interactions
from recsys.two_tower import MOST_HISTORY, TwoTower

NOW, DAY = 1_500_000_000, 86_400
N_ITEMS = 9


def table_of(rows: list[tuple[int, int, float]], **columns: object) -> Interactions:
    """Of (user, item, days before NOW)."""
    users, items, days = zip(*rows, strict=True)
    plain = {"weights": np.ones(len(rows)), "targets": np.ones(len(rows), bool)}
    times = [NOW - round(day * DAY) for day in days]
    return Interactions.ordered(users=users, items=items, times=times, **{**plain, **columns})


# User 1 takes 0, then 1 and 2 together, 0 again, and 3; user 2 looks at 4 and takes it; user 0 and 3 do one thing each.
ROWS = [(1, 0, 40), (1, 1, 30), (1, 2, 30), (1, 0, 27), (1, 3, 25), (2, 4, 21), (2, 4, 20), (0, 5, 90), (3, 6, 2)]
LOOK = [row != (2, 4, 21) for row in ROWS]


def states_of(horizon_days: float, since_days: float = 60) -> States:
    table = table_of(ROWS, targets=LOOK)
    return States.of(table, N_ITEMS, since=NOW - round(since_days * DAY), horizon_days=horizon_days)


def labels(states: States) -> dict[tuple[int, int], set[int]]:
    """(user, days before NOW) -> the new things that follow."""
    chosen = np.arange(len(states))
    row, items = states.taken(chosen, 8, np.random.default_rng(0))
    found: dict[tuple[int, int], set[int]] = {}
    for position, item in zip(row.tolist(), items.tolist(), strict=True):
        key = (int(states.users[position]), (NOW - int(states.times[position])) // DAY)
        found.setdefault(key, set()).add(item)
    return found


def test_a_moment_is_one_in_which_something_new_was_taken() -> None:
    assert labels(states_of(1)) == {(1, 40): {0}, (1, 30): {1, 2}, (1, 25): {3}, (2, 20): {4}, (3, 2): {6}}


def test_what_follows_within_the_horizon_is_its_label_too_but_no_repeat() -> None:
    assert labels(states_of(5.01))[(1, 30)] == {1, 2, 3}
    assert labels(states_of(5.0))[(1, 30)] == {1, 2}
    assert labels(states_of(100))[(1, 40)] == {0, 1, 2, 3}
    # Another user's things are never among them, however long the horizon.
    assert labels(states_of(100))[(3, 2)] == {6}


def test_moments_before_the_time_given_are_left_out() -> None:
    assert {user for user, _ in labels(states_of(1))} == {1, 2, 3}
    assert {user for user, _ in labels(states_of(1, since_days=90))} == {0, 1, 2, 3}
    assert len(States.of(table_of(ROWS), N_ITEMS, since=NOW, horizon_days=1)) == 0


def test_what_a_user_owned_before_is_told_without_looks() -> None:
    states = states_of(1)
    at = {(int(u), (NOW - int(t)) // DAY): i for i, (u, t) in enumerate(zip(states.users, states.times, strict=True))}
    chosen = np.array([at[1, 25], at[2, 20], at[3, 2]])
    position, items = states.owned(chosen)
    assert sorted(zip(position.tolist(), items.tolist(), strict=True)) == [(0, 0), (0, 0), (0, 1), (0, 2)]


def test_of_a_program_with_endless_events_only_the_newest_count_as_owned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states_module, "MOST_OWNED", 3)
    table = table_of([(0, item, 50 - item) for item in range(8)])
    states = States.of(table, N_ITEMS, since=NOW - 43.5 * DAY, horizon_days=1)
    assert sorted(states.owned(np.array([0]))[1].tolist()) == [4, 5, 6]


def test_a_sample_is_taken_where_there_are_more_labels_than_wanted() -> None:
    table = table_of([(0, 8, 50), *((0, item, 10) for item in range(8))])
    states = States.of(table, N_ITEMS, since=NOW - 20 * DAY, horizon_days=1)
    row, items = states.taken(np.array([0, 0]), 3, np.random.default_rng(1))
    assert row.tolist() == [0, 0, 0, 1, 1, 1]
    assert set(items.tolist()) <= set(range(8))


def random_table(n_users: int = 6, n_rows: int = 900) -> Interactions:
    rng = np.random.default_rng(5)
    users, items = rng.integers(n_users, size=n_rows), rng.integers(N_ITEMS, size=n_rows)
    days = rng.integers(1, 200, size=n_rows)
    rows = list(zip(users.tolist(), items.tolist(), days.tolist(), strict=True))
    return table_of(rows, weights=rng.choice([0.0, 0.1, 1.0], n_rows), targets=rng.random(n_rows) < 0.7)


@pytest.mark.parametrize("n_users", [1, 6])
def test_training_sees_what_serving_would_have_seen_at_the_time(n_users: int) -> None:
    """With an identity for a tower, serving answers with what it was told."""
    table = random_table(n_users)
    rng = np.random.default_rng(2)
    inputs, centres = rng.normal(size=(N_ITEMS, 5)).astype(np.float32), rng.normal(size=(2, 3)).astype(np.float32)
    n_told = 2 * 6 + 1
    model = TwoTower(
        vectors=np.zeros((0, n_told), np.float32),
        items=frozen([], np.int32),
        inputs=inputs,
        centres=centres,
        bins=np.zeros((n_users, 0), np.int32),
        profile=np.zeros((0, 0), np.float32),
        linear=np.eye(n_told, dtype=np.float32),
        bias=np.zeros(n_told, np.float32),
        hidden=np.zeros((n_told, 0), np.float32),
        hidden_bias=np.zeros(0, np.float32),
        top=np.zeros((0, 0), np.float32),
    )
    states = States.of(table, N_ITEMS, since=0, horizon_days=3)
    seen = states.seen(np.arange(len(states)), inputs, centres)
    histories = Histories.of_interactions(table, n_users)
    n_known = 0
    for row, (user, at) in enumerate(zip(states.users.tolist(), states.times.tolist(), strict=True)):
        history = histories.of(user).before(at)
        told = model.vector_of(history, model.bins[user], at=at)
        if told is None:
            assert seen[row].tolist() == [0.0] * (n_told - 1) + [1.0]
        else:
            n_known += 1
            np.testing.assert_allclose(seen[row], told, rtol=2e-4, atol=2e-5)
    assert n_known > 0
    longest = max(len(histories.of(user)) for user in range(n_users))
    assert longest > MOST_HISTORY or n_users > 1


def test_a_hidden_history_looks_like_none() -> None:
    table = random_table()
    inputs, centres = np.ones((N_ITEMS, 4), np.float32), np.zeros((2, 2), np.float32)
    states = States.of(table, N_ITEMS, since=NOW - 50 * DAY, horizon_days=3)
    hidden = np.array([True, False])
    seen = states.seen(np.array([0, 0]), inputs, centres, hidden=hidden)
    assert seen[0].tolist() == [0.0] * 10 + [1.0]
    assert seen[1, -1] == 0.0


def test_a_thinned_history_still_tells_how_much_there_was() -> None:
    table = random_table()
    inputs, centres = (
        np.random.default_rng(4).normal(size=(N_ITEMS, 4)).astype(np.float32),
        np.zeros((2, 2), np.float32),
    )
    states = States.of(table, N_ITEMS, since=0, horizon_days=3)
    chosen = np.array([np.argmax(states.ends - states.starts)])
    whole = states.seen(chosen, inputs, centres)
    part = states.seen(chosen, inputs, centres, kept=0.5, rng=np.random.default_rng(0))
    assert part[0, -3:].tolist() == whole[0, -3:].tolist()
    assert not np.allclose(part[0, :-3], whole[0, :-3])
