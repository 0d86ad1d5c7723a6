"""Where few take and many look, rankers may learn from all that users did; what they are judged by stays the takes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from index.builder import STRANGERS, Builder
from index.dataset import load
from index.frames import Frame
from index.heads import BY_ALL, NEWCOMERS, Head, Mean, Recipe
from index.heeding import Heeded, heeded
from index.labelled import Extent, Labelled
from index.learn import Learnt, learn, plan
from index.progress import Stages
from index.selection import Contender, choose, final
from index.stage_cache import StageCache
from index.windows import Window, acted, acts_in, sampled, strangers_in, truth_in, windows_before
from recsys.arrays import frozen
from recsys.evaluation.truth import Truth
from recsys.fusion import FOREST, Fusion
from recsys.interactions import Interactions

DAY, END_S = 86_400, 1_750_982_400  # 2025-06-27
N_ITEMS, N_QUERIES, PER_QUERY = 30, 80, 12
NAMES = ("good_rank", "hidden")
QUICK = Recipe("quick", n_trees=15, n_leaves=5, learning_rate=0.2, least_rows_in_leaf=10)
HEAD = Head("home", "all", new_only=False, negatives=1.0, recipes=(QUICK,))
LABEL = "forest (broad + ranked by all)"


def shop(n_takers: int, n_lookers: int) -> Interactions:
    """Everyone looks at item 0 every week; takers take item 1 on day 190 as well."""
    users = np.arange(n_takers + n_lookers)
    weeks = np.arange(0, 200, 7)
    looks = [(user, 0, day, 0) for day in weeks for user in users]
    takes = [(user, 1, 190, 1) for user in users[:n_takers]]
    who, what, when, targets = zip(*looks, *takes, strict=True)
    return Interactions.ordered(
        users=who, items=what, times=[int(day) * DAY for day in when], weights=[1] * len(who), targets=targets
    )


def test_acts_are_takes_and_all_else_that_was_liked() -> None:
    table = Interactions.ordered(
        users=[0, 0, 0, 0, 1, 1, 2],
        items=[1, 2, 3, 4, 1, 5, 1],
        times=[50, 150, 160, 170, 150, 160, 99],
        weights=[1, 1, 0, 1, 1, 1, 1],
        targets=[1, 0, 1, 1, 1, 0, 1],
    )
    window = Window(100, 200)
    assert truth_in(table, window, 9).items.tolist() == [4]
    # Not item 3 (disliked), nor user 1 (no past), nor user 2 (did nothing then).
    assert acts_in(table, window, 9).users.tolist() == [0]
    assert acts_in(table, window, 9).items.tolist() == [2, 4]
    assert strangers_in(table, window, 9).items.tolist() == [1]
    assert strangers_in(table, window, 9, targets_only=False).items.tolist() == [1, 5]


def test_windows_are_learnt_from_by_all_where_few_take_and_many_look(monkeypatch: pytest.MonkeyPatch) -> None:
    overlapping = windows_before(200 * DAY, 0, horizon_days=28, count=12, per_window=4)
    found = acted(shop(40, 60), overlapping, 3, n_judged=2)
    assert [(window.start / DAY, window.end / DAY) for window in found] == [(172, 200), (144, 172), (116, 144)]
    assert acted(shop(40, 30), overlapping, 3, n_judged=2) == ()
    assert acted(shop(20, 60), overlapping, 3, n_judged=2) == ()
    assert acted(shop(40, 60), overlapping[:1], 3, n_judged=1) == ()
    monkeypatch.setattr("index.windows.FEW_TAKERS", 40)
    assert acted(shop(40, 60), overlapping, 3, n_judged=2) == ()
    assert acted(shop(40, 60), (), 3, n_judged=2) == ()


def test_each_judged_window_has_an_older_one_to_learn_from() -> None:
    adjoining = windows_before(200 * DAY, 0, horizon_days=14, count=12)
    assert len(adjoining) == 12
    for n_judged, n_acted in ((2, 4), (3, 4), (4, 5), (6, 7)):
        assert acted(shop(40, 60), adjoining, 3, n_judged=n_judged) == adjoining[:n_acted]


def labelled(start_day: int, seed: int, *, acts: bool = True) -> Labelled:
    """What is taken follows ``hidden``, but of takes there are hardly any; what else is done follows it too."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(N_QUERIES), PER_QUERY)
    items = np.concatenate([rng.permutation(N_ITEMS)[:PER_QUERY] for _ in range(N_QUERIES)]).astype(np.int32)
    hidden = rng.random(len(query))
    features = np.stack([rng.permutation(PER_QUERY * N_QUERIES), hidden], axis=1).astype(np.float32)
    wanted = hidden > 0.85
    # Older takes tell nothing: rankers that learn from them alone are lost.
    luck = rng.random(len(query)) < 0.15
    truth = Truth.of(frozen(query[wanted], np.int32), items[wanted], N_ITEMS)
    asked = Truth.of(frozen(query, np.int32), items, N_ITEMS)
    window = Window(start_day * DAY, (start_day + 28) * DAY)
    done = Frame(features, wanted, np.ones(len(query), bool), query, items)
    return Labelled(
        window,
        asked,
        {"all": truth, "newcomers": truth},
        replace(done, labels=luck),
        whole=True,
        names=NAMES,
        acted=done if acts else None,
    )


def test_a_forest_that_learnt_from_all_is_chosen_where_takes_alone_teach_nothing() -> None:
    windows = [labelled(100, 1), labelled(72, 2)]
    chosen = choose(HEAD, windows, NAMES, N_ITEMS, seed=0)
    assert chosen.contender.recipe in (BY_ALL, *BY_ALL.parts)
    assert chosen.scores[chosen.contender.label]["ndcg@10"].mean() > 0.9
    fusion, forest = final(replace(chosen, contender=Contender(Fusion(FOREST), BY_ALL)), windows, NAMES, seed=0)
    assert fusion.kind == FOREST
    assert forest is not None
    low, high = forest.score(np.array([[0, 0.1], [0, 0.95]], np.float32))
    assert high > low + 1


def test_it_is_judged_alone_as_among_others_and_by_nobody_without_its_rows() -> None:
    windows = [labelled(100, 1), labelled(72, 2)]
    among = choose(HEAD, windows, NAMES, N_ITEMS, seed=0)
    contender = Contender(Fusion(FOREST), BY_ALL)
    alone = choose(HEAD, windows, NAMES, N_ITEMS, seed=0, only=contender)
    assert set(alone.scores) == {LABEL}
    assert alone.scores[LABEL]["ndcg@10"].tolist() == among.scores[LABEL]["ndcg@10"].tolist()
    without = [labelled(100, 1, acts=False), labelled(72, 2, acts=False)]
    assert choose(HEAD, without, NAMES, N_ITEMS, seed=0, only=contender).n_users == 0


def test_it_learns_nothing_from_the_window_it_is_judged_by() -> None:
    newest, older = labelled(100, 1), labelled(72, 2)
    assert older.acted is not None
    luck = np.random.default_rng(3).random(len(older.acted)) < 0.15
    lost = replace(older, acted=replace(older.acted, labels=luck))
    scores = choose(HEAD, [newest, lost], NAMES, N_ITEMS, seed=0).scores
    assert scores["forest (quick)"]["ndcg@10"].mean() < 0.7
    assert scores[LABEL]["ndcg@10"].mean() < 0.7


def test_a_mean_is_of_forests_that_learn_from_the_same_rows() -> None:
    with pytest.raises(ValueError, match="all parts or none"):
        Mean("mixed", (QUICK, *BY_ALL.parts))


def test_feedback_weighs_no_row_of_it() -> None:
    windows = [labelled(100, 1), labelled(72, 2)]
    chosen = choose(HEAD, windows, NAMES, N_ITEMS, seed=0, only=Contender(Fusion(FOREST), BY_ALL))
    found = heeded(chosen, Learnt(tuple(windows), None), N_ITEMS, seed=0, grown={})
    assert found == Heeded(chosen, 0.0, f"feedback not used: {LABEL} learns from no weighted rows")


@pytest.mark.parametrize("head", [HEAD, replace(HEAD, name="newcomers", task="newcomers", by_all=False)])
def test_it_is_compared_only_where_there_are_such_rows_and_the_head_takes_them(head: Head) -> None:
    acts = head.by_all is False
    windows = [labelled(100, 1, acts=acts), labelled(72, 2, acts=acts)]
    assert not any("by all" in label for label in choose(head, windows, NAMES, N_ITEMS, seed=0).scores)
    assert not NEWCOMERS.by_all


@pytest.fixture(scope="module")
def data(corner_shop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    corner_shop.events.write_parquet(folder / "events.parquet")
    (folder / "recsys.toml").write_text("[training]\nwindows = 3\nhorizon_days = 7\n")
    return folder


def builder_of(data: Path, cache: Path) -> Builder:
    stages = Stages(console=Console(file=io.StringIO(), width=200))
    kept = StageCache(cache, 10**9)
    return Builder.of(load(data, None, now=END_S, until=END_S), cache=cache / "texts", stages=stages, kept=kept)


def acts_of(windows: Iterable[Labelled]) -> list[Frame | None]:
    return [window.acted for window in windows]


def test_rows_of_all_that_was_done_are_made_kept_and_lose_the_columns_of_sources_left_out(
    data: Path, tmp_path: Path
) -> None:
    builder = builder_of(data, tmp_path)
    windows = plan(builder, END_S)
    windows = replace(windows, acted=windows.all[:1])
    assert windows.extent(windows.all[0]) == Extent(whole=True, n_acted=10_000)
    learnt = learn(builder, windows)
    made = acts_of(learnt.windows)
    assert [found is not None for found in made] == [True, *[False] * (len(made) - 1)]
    first = learnt.windows[0]
    assert first.acted is not None
    everything, n_items = builder.dataset.interactions, len(builder.dataset.item_ids)
    acts = acts_in(everything, first.window, n_items)
    strangers = strangers_in(everything, first.window, n_items, targets_only=False)
    seed = builder.dataset.settings.training.seed
    acts = acts.joined(sampled(strangers, max(len(acts) // STRANGERS, 1), seed), n_items)
    rows = list(zip(acts.users[first.acted.query].tolist(), first.acted.items.tolist(), strict=True))
    labels = {row for row, on in zip(rows, first.acted.labels.tolist(), strict=True) if on}
    expected = set(zip(np.repeat(acts.users, acts.sizes).tolist(), acts.items.tolist(), strict=True))
    assert labels == expected & set(rows)
    assert len(labels) > first.frame.labels.sum()
    again = learn(builder_of(data, tmp_path), windows)
    kept = again.windows[0].acted
    assert kept is not None
    for column in ("features", "labels", "new", "query", "items"):
        np.testing.assert_array_equal(getattr(kept, column), getattr(first.acted, column))
    assert kept.kept == first.acted.kept
    fewer = again.without({"ease"})
    without = fewer.windows[0].acted
    assert without is not None
    assert without.features.shape[1] == len(fewer.names) < len(again.names)
