"""What rankers learn from what was shown and left: in a made-up shop where that tells what purchases do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.frames import Frame
from index.heads import BINARY, LAMBDARANK, Head, Recipe, sample_of, train
from index.heeding import WITHOUT, heeded
from index.impressions import NEVER
from index.labelled import Labelled
from index.learn import Learnt
from index.looks import row_weights
from index.selection import Chosen, Contender, choose
from index.windows import Window
from recsys.arrays import frozen
from recsys.evaluation.truth import Truth
from recsys.fusion import FOREST, SOURCE, Fusion
from recsys.interactions import Interactions

from .shown_rows import of_rows

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
            pushed, others = (rng.permutation(np.flatnonzero(kind == PUSHED)) for kind in (True, False))
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


@pytest.fixture(scope="module")
def plain(learnt: Learnt) -> Chosen:
    return choose(HEAD, learnt.heeding(0.0), NAMES, N_ITEMS, seed=0)


def scores(learnt: Learnt, strength: float, objective: str) -> np.ndarray:
    """(newest window's rows,) by a forest of the older window."""
    newest, older = learnt.heeding(strength)
    sample = sample_of(HEAD, [older.frame], seed=0)
    assert sample is not None
    return train(replace(QUICK, objective=objective), sample, seed=0).score(newest.frame.features)


@pytest.mark.parametrize(("objective", "most"), [(BINARY, -0.3), (LAMBDARANK, -0.1)])
def test_what_a_group_was_shown_and_left_is_ranked_lower_for_it_and_not_for_others(
    learnt: Learnt, objective: str, most: float
) -> None:
    frame = learnt.windows[0].frame

    def lead(scores: np.ndarray, group: int) -> float:
        """Of what is pushed over what is not, in log-odds."""
        pushed, others = ((frame.features[:, 1] == group) & (frame.features[:, 2] == kind) for kind in (1, 0))
        return float(scores[pushed].mean() - scores[others].mean())

    without, with_it = scores(learnt, 0.0, objective), scores(learnt, 4.0, objective)
    # As often bought as what was hardly shown: without the lists nobody can tell.
    assert lead(without, 1) > -0.1
    assert lead(with_it, 1) < min(most, lead(without, 1) - 0.1)
    # The first group likes both alike: for them it is bought more only because it is shown more.
    assert -0.05 < lead(with_it, 0) < lead(without, 0) - 0.5


def test_it_is_heeded_where_lists_become_convincingly_better(learnt: Learnt, plain: Chosen) -> None:
    assert plain.contender.fusion.kind == FOREST
    found = heeded(plain, learnt, N_ITEMS, seed=0, grown={})
    assert found.strength > 0
    assert found.said.startswith(f"feedback used, a look counts {found.strength:g}: NDCG@10 0.")
    label = plain.contender.label
    ndcg = {name: found.chosen.scores[name]["ndcg@10"].mean() for name in (label, label + WITHOUT)}
    assert ndcg[label] > ndcg[label + WITHOUT] + 0.05
    assert ndcg[label + WITHOUT] == plain.scores[label]["ndcg@10"].mean()


def test_what_misleads_is_not_heeded(learnt: Learnt, plain: Chosen) -> None:
    """As if everybody had been shown, and had left, what they are fond of."""

    def misled(one: Labelled) -> Labelled:
        weights = np.where((one.frame.features[:, 3] == 1) & ~one.frame.labels, 6.0, 1.0)
        return replace(one, frame=replace(one.frame, weights=weights.astype(np.float32)))

    found = heeded(plain, Learnt(tuple(map(misled, learnt.windows)), None), N_ITEMS, seed=0, grown={})
    assert found.strength == 0.0
    assert found.chosen is plain
    assert found.said.startswith("feedback not used: NDCG@10 0.")


def test_what_nothing_can_be_judged_by_is_not_heeded_and_that_is_said(learnt: Learnt, plain: Chosen) -> None:
    newest, older = learnt.windows
    unshown = replace(older, frame=replace(older.frame, weights=None))
    just_begun = heeded(plain, Learnt((newest, unshown), None), N_ITEMS, seed=0, grown={})
    assert just_begun.said.startswith("feedback not used yet: nothing was shown before a window")
    by_source = replace(plain, contender=Contender(Fusion(SOURCE, source="dull"), None))
    assert heeded(by_source, learnt, N_ITEMS, seed=0, grown={}).said.startswith("feedback not used: source dull learns")
    unjudged = replace(plain, n_users=0)
    assert heeded(unjudged, learnt, N_ITEMS, seed=0, grown={}).said.endswith("there is nothing to judge it by")


def test_without_weights_nothing_is_changed(learnt: Learnt) -> None:
    frames = [window.frame for window in learnt.heeding(0.0)]
    assert [frame.weights for frame in frames] == [None, None]
    sample = Frame.concatenate(frames)
    assert sample.weights is None
    ones = replace(sample, weights=np.ones(len(sample), np.float32))
    assert train(QUICK, sample, seed=0).score(sample.features[:50]).tolist() == pytest.approx(
        train(QUICK, ones, seed=0).score(sample.features[:50]).tolist(), abs=1e-6
    )


def test_weights_go_where_their_rows_go(learnt: Learnt) -> None:
    newest, older = (window.frame for window in learnt.windows)
    assert newest.weights is not None
    keep = np.arange(len(newest)) % 3 == 0
    part = newest.where(keep)
    assert part.weights is not None
    assert part.weights.tolist() == newest.weights[keep].tolist()
    both = Frame.concatenate([replace(older, weights=None), newest])
    assert both.weights is not None
    assert both.weights[: len(older)].tolist() == [1.0] * len(older)
    assert both.weights[len(older) :].tolist() == newest.weights.tolist()
    stronger = newest.heeding(4.0)
    assert stronger.weights is not None
    assert stronger.weights.tolist() == pytest.approx((4.0 * newest.weights - 3.0).tolist())
