from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.frames import Frame
from index.heads import Head, Mean, Recipe, trained
from index.labelled import Labelled
from index.selection import Contender, Grown, choose, final
from index.tuning import Budget, tune
from index.windows import Window
from recsys.arrays import frozen
from recsys.evaluation.truth import Truth
from recsys.fusion import FOREST, RECIPROCAL_RANK, SOURCE, Fusion
from recsys.ranker import Forest

N_ITEMS, N_QUERIES, PER_QUERY, DAY = 30, 80, 12, 86_400
QUICK = Recipe("quick", n_trees=15, n_leaves=5, learning_rate=0.2, least_rows_in_leaf=10)
HEAD = Head("home", "all", new_only=False, negatives=1.0, recipes=(QUICK,))
NAMES = ("good_rank", "bad_rank", "hidden")


def labelled(start_day: int, seed: int, *, hidden: bool, whole: bool = True, n_queries: int = N_QUERIES) -> Labelled:
    """A window of candidates whose label follows ``good_rank``, or a feature that no source knows."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(n_queries), PER_QUERY)
    items = np.concatenate([rng.permutation(N_ITEMS)[:PER_QUERY] for _ in range(n_queries)]).astype(np.int32)
    good, bad = (np.concatenate([rng.permutation(PER_QUERY) for _ in range(n_queries)]) for _ in range(2))
    secret = rng.random(len(query))
    labels = secret > 0.85 if hidden else good < 2
    frame = Frame(
        features=np.stack([good, bad, secret], axis=1).astype(np.float32),
        labels=labels,
        new=np.ones(len(query), bool),
        query=query,
        items=items,
    )
    truth = Truth.of(frozen(query[labels], np.int32), items[labels], N_ITEMS)
    asked = Truth.of(frozen(query, np.int32), items, N_ITEMS)
    window = Window(start_day * DAY, (start_day + 28) * DAY)
    return Labelled(window, asked, {"all": truth, "novel": truth}, frame, whole)


def test_a_forest_is_chosen_where_it_knows_what_no_source_does() -> None:
    windows = [labelled(100, 1, hidden=True), labelled(72, 2, hidden=True)]
    chosen = choose(HEAD, windows, NAMES, N_ITEMS, seed=0)
    assert chosen.contender.fusion.kind == FOREST
    assert chosen.contender.recipe == QUICK
    assert chosen.scores["forest (quick)"]["ndcg@10"].mean() > 0.9
    fusion, forest = final(chosen, windows, NAMES, seed=0)
    assert fusion.kind == FOREST
    assert forest is not None


def test_one_contender_alone_is_judged_as_it_was_among_others() -> None:
    windows = [labelled(100, 1, hidden=True), labelled(72, 2, hidden=True), labelled(44, 3, hidden=True)]
    among = choose(HEAD, windows, NAMES, N_ITEMS, seed=0)
    for label in ("forest (quick)", "stacked (quick)", "linear", "reciprocal-rank", "source bad"):
        kind, recipe = label.split()[0], QUICK if "quick" in label else None
        contender = Contender(Fusion(kind, source="bad" if kind == SOURCE else ""), recipe)
        alone = choose(HEAD, windows, NAMES, N_ITEMS, seed=0, only=contender)
        assert set(alone.scores) == {alone.contender.label} == {label}
        assert alone.n_users == among.n_users
        for metric, values in among.scores[label].items():
            assert alone.scores[label][metric].tolist() == values.tolist()


def test_the_mean_of_two_forests_is_one_more_contender_and_is_judged_alone_as_among_others() -> None:
    other = replace(QUICK, name="other", random_splits=True)
    mean = Mean("both", (QUICK, other))
    head = replace(HEAD, recipes=(QUICK, other), means=(mean,))
    windows = [labelled(100, 1, hidden=True), labelled(72, 2, hidden=True), labelled(44, 3, hidden=True)]
    among = choose(head, windows, NAMES, N_ITEMS, seed=0)
    assert {"forest (both)", "stacked (both)", "forest (quick)", "forest (other)"} < set(among.scores)
    alone = choose(head, windows, NAMES, N_ITEMS, seed=0, only=Contender(Fusion(FOREST), mean))
    assert set(alone.scores) == {"forest (both)"}
    assert alone.scores["forest (both)"]["ndcg@10"].tolist() == among.scores["forest (both)"]["ndcg@10"].tolist()
    fusion, forest = final(alone, windows, NAMES, seed=0)
    assert fusion.kind == FOREST
    assert forest is not None
    assert forest.booster.num_trees() == 30


def test_a_contender_that_cannot_be_fitted_any_more_is_judged_by_nobody() -> None:
    windows = [labelled(100, 1, hidden=True), labelled(72, 2, hidden=True)]
    gone = Contender(Fusion(SOURCE, source="gone"), None)
    assert choose(HEAD, windows, NAMES, N_ITEMS, seed=0, only=gone).n_users == 0


def test_one_source_is_chosen_where_too_little_is_there_for_a_forest() -> None:
    windows = [labelled(100, 1, hidden=False, n_queries=20), labelled(72, 2, hidden=False, n_queries=20)]
    chosen = choose(HEAD, windows, NAMES, N_ITEMS, seed=0)
    assert chosen.contender.fusion == Fusion(SOURCE, source="good")
    assert final(chosen, windows, NAMES, seed=0) == (Fusion(SOURCE, source="good"), None)


def test_without_a_window_to_judge_by_ranks_are_fused_and_that_is_said() -> None:
    chosen = choose(HEAD, [], NAMES, N_ITEMS, seed=0)
    assert chosen.contender.fusion.kind == RECIPROCAL_RANK
    assert "too little to train on" in chosen.why


def test_nothing_is_judged_by_what_ended_after_it_began() -> None:
    """Overlapping windows alone leave nothing to train on, so only what needs no training is judged."""
    windows = [labelled(100, 1, hidden=True), labelled(93, 2, hidden=True, whole=False)]
    chosen = choose(HEAD, windows, NAMES, N_ITEMS, seed=0)
    assert not any(label.startswith(("forest", "stacked", "linear")) for label in chosen.scores)


def test_one_user_s_luck_changes_no_default() -> None:
    windows = [labelled(100, 1, hidden=True, n_queries=1)]
    chosen = choose(HEAD, windows, NAMES, N_ITEMS, seed=0)
    assert chosen.n_users == 1
    assert chosen.contender.fusion.kind == RECIPROCAL_RANK


def test_a_search_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    windows = [labelled(100, 1, hidden=True), labelled(72, 2, hidden=True)]
    budget = Budget.of(0.01, tmp_path, ["shop", 1])
    first = tune(HEAD, windows, N_ITEMS, budget, seed=0)
    assert first is not None
    n_tried = int(first[1].split()[0])
    again = tune(HEAD, windows, N_ITEMS, budget, seed=0)
    assert again is not None
    assert f"after {n_tried} before" in again[1]
    assert tune(HEAD, windows, N_ITEMS, Budget.of(0.0, tmp_path, ["shop", 1]), seed=0) is None
    assert tune(HEAD, windows[:1], N_ITEMS, budget, seed=0) is None


def test_a_head_keeps_its_own_default_until_something_is_convincingly_better() -> None:
    head = replace(HEAD, default="source bad")
    luck = [labelled(100, 1, hidden=True, n_queries=1)]
    assert choose(head, luck, NAMES, N_ITEMS, seed=0).contender.fusion == Fusion(SOURCE, source="bad")
    windows = [labelled(100, 1, hidden=True), labelled(72, 2, hidden=True)]
    assert choose(head, windows, NAMES, N_ITEMS, seed=0).contender.fusion.kind == FOREST


def test_with_little_to_judge_by_the_own_history_comes_first() -> None:
    names = ("lucky_rank", "history_rank", "hidden")
    few = [labelled(100, 1, hidden=True, n_queries=1)]
    assert choose(HEAD, few, names, N_ITEMS, seed=0).contender.fusion == Fusion(SOURCE, source="history")
    enough = [labelled(100, 1, hidden=False, n_queries=20)]
    assert choose(HEAD, enough, names, N_ITEMS, seed=0).contender.fusion == Fusion(SOURCE, source="lucky")


def test_heads_that_learn_from_the_same_rows_share_their_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = [labelled(100, 1, hidden=True), labelled(72, 2, hidden=True)]
    grown_by: list[Recipe | Mean] = []

    def counted(recipes: Sequence[Recipe | Mean], sample: Frame, *, seed: int) -> list[Forest]:
        grown_by.extend(recipes)
        return trained(recipes, sample, seed=seed)

    monkeypatch.setattr("index.selection.trained", counted)
    grown: Grown = {}
    first = choose(HEAD, windows, NAMES, N_ITEMS, seed=0, grown=grown)
    again = choose(replace(HEAD, name="newcomers"), windows, NAMES, N_ITEMS, seed=0, grown=grown)
    assert grown_by == [QUICK]
    assert again.scores["forest (quick)"]["ndcg@10"].tolist() == first.scores["forest (quick)"]["ndcg@10"].tolist()
    choose(replace(HEAD, negatives=0.5), windows, NAMES, N_ITEMS, seed=0, grown=grown)
    assert grown_by == [QUICK, QUICK]
