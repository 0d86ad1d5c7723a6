"""What rankers learn from what was shown and left: in a made-up shop where that tells what purchases do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.frames import Frame
from index.heads import Head, Recipe, sample_of, train
from index.heeding import WITHOUT, heeded
from index.impressions import NEVER, Impressions
from index.learn import Learnt
from index.looks import row_weights
from index.selection import Chosen, Labelled, choose
from index.windows import Window
from recsys.arrays import frozen
from recsys.evaluation.truth import Truth
from recsys.fusion import FOREST, RECIPROCAL_RANK, SOURCE
from recsys.interactions import Interactions

N_USERS, N_ITEMS, DAY, N_PLACES = 400, 24, 86_400, 6
QUICK = Recipe("quick", n_trees=40, n_leaves=7, learning_rate=0.15, least_rows_in_leaf=20, feature_fraction=1.0)
HEAD = Head("home", "all", new_only=False, negatives=1.0, recipes=(QUICK,))
NAMES = ("dull_rank", "group", "pushed", "fond")
EXAMINED = 1.0 / (1.0 + 0.3 * np.arange(N_PLACES))
PUSHED = np.arange(N_ITEMS) % 2 == 1
GROUP = np.arange(N_USERS) % 2


FOND = np.random.default_rng(0).random((N_USERS, N_ITEMS)) < 0.3


def appeal() -> np.ndarray:
    """(users, items): everybody is fond of some things, and the second group hardly cares for what the shop pushes."""
    return np.where(FOND, 0.6, 0.1) * np.where(GROUP[:, None] & PUSHED[None, :], 0.2, 1.0)


def window(start_day: int, seed: int, *, pushing: bool) -> tuple[Labelled, list[tuple[int, int, int, int, int]]]:
    """A window in which everybody sees four lists, and its impressions: user, item, time, position, taken.

    pushing: lists hold pushed items only but for one place, so that these are bought as much as others all the same.
    """
    rng = np.random.default_rng(seed)
    start = start_day * DAY
    likes = appeal()
    rows: list[tuple[int, int, int, int, int]] = []
    for user in range(N_USERS):
        for visit in range(4):
            n_pushed = N_PLACES - 1 if pushing else N_PLACES // 2
            pushed, others = (rng.permutation(np.flatnonzero(PUSHED == kind)) for kind in (True, False))
            shown = rng.permutation([*pushed[:n_pushed], *others[: N_PLACES - n_pushed]])
            taken = rng.random(N_PLACES) < EXAMINED * likes[user, shown]
            at = start + (5 * visit + 1) * DAY
            rows += [
                (user, int(item), at, place + 1, at + 60 if hit else NEVER)
                for place, (item, hit) in enumerate(zip(shown, taken, strict=True))
            ]
    users, items, _, _, taken_at = (np.array(column) for column in zip(*rows, strict=True))
    hit = taken_at < NEVER
    truth = Truth.of(frozen(users[hit], np.int32), frozen(items[hit], np.int32), N_ITEMS)
    asked = Truth.of(np.arange(N_USERS, dtype=np.int32), np.zeros(N_USERS, np.int32), N_ITEMS)
    query, item = (part.ravel() for part in np.indices((N_USERS, N_ITEMS)))
    features = np.stack([rng.permutation(len(query)), GROUP[query], PUSHED[item], FOND[query, item]], axis=1)
    frame = Frame(
        features=features.astype(np.float32),
        labels=np.isin(query * N_ITEMS + item, users[hit] * N_ITEMS + items[hit]),
        new=np.ones(len(query), bool),
        query=query,
        items=item.astype(np.int32),
    )
    return Labelled(Window(start, start + 28 * DAY), asked, {"all": truth}, frame, whole=not pushing, names=NAMES), rows


def of_rows(rows: list[tuple[int, int, int, int, int]]) -> Impressions:
    users, items, times, positions, taken = (np.array(column) for column in zip(*sorted(rows, key=lambda r: r[2]), strict=True))
    return Impressions(
        frozen(users, np.int32),
        frozen(items, np.int32),
        frozen(times, np.int64),
        frozen(positions, np.int32),
        np.zeros(len(users), np.int32),
        frozen(taken, np.int64),
    )


NOTHING = Interactions.ordered(users=[], items=[], times=[], weights=[], targets=[])


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    (old, shown), (new, later) = window(100, 1, pushing=True), window(128, 2, pushing=False)
    seen = of_rows([*shown, *later])
    windows = []
    for one in (new, old):
        weights = row_weights(one.frame, one.asked.users, one.window, seen, NOTHING, N_ITEMS)
        windows.append(replace(one, frame=replace(one.frame, weights=weights)))
    return Learnt(tuple(windows), None)


def test_sim(learnt):
    plain = choose(HEAD, learnt.heeding(0.0), NAMES, N_ITEMS, seed=0)
    print(plain.why)
    w = learnt.windows[1].frame
    for g in (0,1):
        for p in (0,1):
            m = (w.features[:,1]==g)&(w.features[:,2]==p)
            print(g,p,w.labels[m].mean(), w.weights[m&~w.labels].mean(), w.weights[m&w.labels].mean())
    for s in (.5,1,2,4,8,16):
        a = choose(HEAD, learnt.heeding(s), NAMES, N_ITEMS, seed=0, only=plain.contender)
        print(s, a.why)
    h = heeded(plain, learnt, N_ITEMS, seed=0, grown={})
    print(h.strength, h.said)
