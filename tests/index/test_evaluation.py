"""Scoring of lists that are known in advance, on a corner shop with newcomers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from index.builder import Builder
from index.cut import Cut
from index.dataset import Dataset, load
from index.evaluation import evaluate
from index.figures import Scores
from index.progress import Stages
from recsys.arrays import Int32
from recsys.model import Snapshot

SPLIT_S = 1_748_908_800  # 2025-06-03
NEWCOMERS = ("user-003", "user-007")


@pytest.fixture(scope="module")
def parts(corner_shop: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Snapshot, Cut]:
    """The shop before the split, without the past of two users; sources are fitted, nothing is ranked."""
    folder = tmp_path_factory.mktemp("shop")
    past = corner_shop.events["timestamp"].dt.epoch("s") < SPLIT_S
    events = corner_shop.events.filter(~(past & pl.col("user_id").is_in(NEWCOMERS)))
    type(corner_shop)(events, corner_shop.items, corner_shop.users).write(folder)
    dataset = load(folder, None, now=SPLIT_S, until=SPLIT_S)
    builder = Builder.of(dataset, cache=folder / "cache", stages=quiet())
    snapshot = builder.snapshot(dataset.interactions, SPLIT_S)
    return dataset, snapshot, Cut.read(folder, dataset, start=SPLIT_S, end=None)


def quiet() -> Stages:
    return Stages(console=Console(file=io.StringIO()))


class Oracle:
    """Lists what each user will take; remembers what it was asked."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.asked: list[tuple[str, int]] = []

    def __call__(self, config: str, users: Int32) -> Int32:
        self.asked.append((config, len(users)))
        truth = self.cut.truths["novel" if config == "discover" else "all"]
        lists = np.full((len(users), 100), -1, np.int32)
        for row, user in enumerate(users):
            for part in (truth, self.cut.newcomers):
                if user in part.users:
                    at = int(np.searchsorted(part.users, user))
                    items = part.items[part.starts[at] : part.starts[at + 1]][:100]
                    lists[row, : len(items)] = items
        return lists


@pytest.fixture(scope="module")
def oracle(parts: tuple[Dataset, Snapshot, Cut]) -> Oracle:
    return Oracle(parts[2])


@pytest.fixture(scope="module")
def scores(parts: tuple[Dataset, Snapshot, Cut], oracle: Oracle) -> Scores:
    def nothing(config: str, users: Int32) -> Int32:
        return np.full((len(users), 100), -1, np.int32)

    return evaluate(*parts, quiet(), extras={"oracle": oracle, "nothing": nothing})


def test_extras_are_scored_like_sources_between_them_and_the_pipeline(scores: Scores) -> None:
    for task in ("all", "novel"):
        names = list(scores.tasks[task].values)
        assert names[:3] == ["history", "popular", "als"]
        assert names[-3:] == ["oracle", "nothing", "pipeline"]
        means = scores.tasks[task].means()
        assert means["oracle"]["ndcg@10"] == pytest.approx(1.0)
        assert means["nothing"]["ndcg@10"] == 0.0
        assert 0 < means["popular"]["ndcg@10"] < 1


def test_each_list_is_made_once_a_task_whatever_the_slices(scores: Scores, oracle: Oracle) -> None:
    n_users = {task: len(scored.users) for task, scored in scores.tasks.items()}
    assert oracle.asked == [("home", n_users["all"]), ("home", 2), ("discover", n_users["novel"]), ("discover", 2)]


def test_a_name_that_is_taken_is_refused(parts: tuple[Dataset, Snapshot, Cut], oracle: Oracle) -> None:
    for name in ("popular", "pipeline"):
        with pytest.raises(ValueError, match=name):
            evaluate(*parts, quiet(), extras={name: oracle})


def test_newcomers_are_asked_for_by_their_profile_and_kept_apart(scores: Scores) -> None:
    for task in ("all", "novel"):
        found = scores.slices[task]["new_users"]
        assert tuple(found.users) == NEWCOMERS
        assert not set(NEWCOMERS) & set(scores.tasks[task].users)
        means = found.means()
        assert means["oracle"]["hit@10"] == 1.0
        assert means["history"]["hit@10"] == 0.0
        # Popularity answers whoever asks, and the pipeline is at least that.
        assert means["popular"]["recall@100"] == means["pipeline"]["recall@100"] == 1.0
    assert scores.facts["n_new_users"] == 2


def test_slices_of_users_divide_the_users_of_the_task(scores: Scores) -> None:
    for task, whole in scores.tasks.items():
        for names in (("few_events", "some_events", "many_events"), ("with_profile", "without_profile")):
            members = [scores.slices[task][name] for name in names if name in scores.slices[task]]
            assert sorted(user for part in members for user in part.users) == sorted(whole.users)
            total = sum(float(part.values["popular"]["mrr"].sum()) for part in members)
            assert total == pytest.approx(float(whole.values["popular"]["mrr"].sum()))


def test_a_slice_that_nobody_is_in_is_left_out_with_its_definition(scores: Scores) -> None:
    # Everybody here has a profile, nothing has text, and every item has been on sale for long.
    assert set(scores.slices["all"]) == {"few_events", "some_events", "many_events", "with_profile", "new_users"}
    assert set(scores.facts["slice_definitions"]) == set(scores.slices["all"])


def test_facts_are_those_of_the_tables(parts: tuple[Dataset, Snapshot, Cut], scores: Scores) -> None:
    dataset, _, cut = parts
    facts = scores.facts
    assert facts["split_at"] == "2025-06-03T00:00:00+00:00"
    assert facts["n_users"] == {"all": 58, "novel": len(cut.truths["novel"])}
    assert facts["n_users_with_events"] == 58
    assert facts["n_items"] == 30
    assert facts["n_events"] == len(dataset.interactions)
    assert facts["n_pairs"]["all"] == int(cut.truths["all"].sizes.sum())
    assert facts["n_pairs_of_unseen_items"] == {"all": 0, "novel": 0}
    assert facts["n_unknown_users"] == 0
    assert facts["target_types"] == ["purchase"]
    assert 26 < facts["horizon_days"] < 31
