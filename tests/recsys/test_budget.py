"""The pipeline under a budget: what there is no time for is skipped and named, and what is left is an answer."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from recsys.fusion import SOURCE, Fusion
from recsys.model import Snapshot
from recsys.pipeline import Pipeline, in_retrieval_order
from recsys.query import Candidates, Query

QueryOf = Callable[..., Query]


@dataclass
class Scripted:
    """Allows all sources but ``slow`` and, if ``ranks``, the ranking; keeps what it is told."""

    slow: Set[str] = frozenset()
    ranks: bool = True
    asked: list[str] = field(default_factory=list)
    rankings: list[tuple[Set[str], int]] = field(default_factory=list)

    def allows_source(self, name: str) -> bool:
        return name not in self.slow

    def source_took(self, name: str, seconds: float) -> None:
        assert seconds >= 0
        self.asked.append(name)

    def allows_ranking(self, rankers: Set[str], n_rows: int) -> bool:
        return self.ranks

    def ranking_took(self, rankers: Set[str], n_rows: int, seconds: float) -> None:
        assert seconds >= 0
        self.rankings.append((rankers, n_rows))


@pytest.fixture(scope="module")
def ordered(board: Snapshot) -> Pipeline:
    """The checkerboard, whose home one source orders: reciprocal ranks would order it otherwise."""
    return replace(board.pipeline, fusions={"home": Fusion(SOURCE, source="item-knn")})


def plain(query: Query) -> Query:
    """Without policies, so that an order is seen as it is."""
    return replace(query, config=replace(query.config, diversity=0.0, spread=0.0))


def test_all_the_time_there_is_changes_nothing_and_everything_is_told(
    ordered: Pipeline, board: Snapshot, query_of: QueryOf
) -> None:
    budget, query = Scripted(), query_of(board, "u00", limit=10)

    given, free = ordered.recommend(query, budget), ordered.recommend(query)

    assert given.slate.items.tolist() == free.slate.items.tolist()
    assert given.slate.scores.tobytes() == free.slate.scores.tobytes()
    assert (given.skipped_sources, given.is_ranked) == ((), True)
    assert budget.asked == [depth.source for depth in query.config.depths if depth.source in board.pipeline.sources]
    assert budget.rankings == [({"home"}, len(ordered.retrieve(query)[0]))]


def test_without_time_to_rank_the_order_is_that_of_reciprocal_ranks_and_there_are_no_features(
    ordered: Pipeline, board: Snapshot, query_of: QueryOf
) -> None:
    budget = Scripted(ranks=False)
    queries = [plain(query_of(board, user, limit=16, divide_scores=True)) for user in ("u00", "u04", "")]

    cut = ordered.recommend_many(queries, budget)

    by_ranks = replace(ordered, fusions={}).recommend_many(queries)
    assert [answer.slate.items.tolist() for answer in cut] == [answer.slate.items.tolist() for answer in by_ranks]
    assert cut[0].slate.items.tolist() != ordered.recommend(queries[0]).slate.items.tolist()
    assert all(not answer.is_ranked and answer.features is None for answer in cut)
    assert [stage.count for stage in cut[0].stages][1] == 0
    assert budget.rankings == []


def test_sources_there_is_no_time_for_are_named_and_the_others_are_ranked(
    ordered: Pipeline, board: Snapshot, query_of: QueryOf
) -> None:
    query = query_of(board, "u00", limit=10)

    answer = ordered.recommend(query, Scripted(slow={"als", "ease"}))

    assert answer.skipped_sources == ("als", "ease")
    assert (answer.failed_sources, answer.is_ranked) == ((), True)
    columns = [answer.provenance.names.index(name) for name in answer.skipped_sources]
    assert np.isnan(answer.provenance.ranks[:, columns]).all()
    assert len(answer.slate) == 10


@pytest.mark.parametrize("user", ["u00", "u12", ""])
@pytest.mark.parametrize("config", ["home", "discover", "similar"])
def test_with_no_time_for_any_source_there_is_an_answer_all_the_same(
    ordered: Pipeline, board: Snapshot, query_of: QueryOf, config: str, user: str
) -> None:
    query = query_of(board, user, serving_config=config, context_item_ids=("i00",), limit=5)
    budget = Scripted(slow=board.pipeline.sources.keys(), ranks=False)

    answer = ordered.recommend(query, budget)

    assert len(answer.slate) == 5
    assert set(answer.skipped_sources) == (
        {depth.source for depth in query.config.depths} & board.pipeline.sources.keys() - set(budget.asked)
    )
    assert answer.skipped_sources


def test_retrieval_order_is_the_sum_of_reciprocal_ranks() -> None:
    ranks = np.array([[0, 3], [np.nan, 0], [1, np.nan]], np.float32)
    found = Candidates(np.array([4, 5, 9], np.int32), ("a", "b"), ranks, ranks)

    assert in_retrieval_order(found) == pytest.approx([1 / 61 + 1 / 64, 1 / 61, 1 / 62])
