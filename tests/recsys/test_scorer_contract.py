"""What every source keeps that can score any item."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import Float32, frozen
from recsys.model import Snapshot
from recsys.query import Query
from recsys.sources.protocol import Scorer, Source

from .contract_boards import SCORERS, QueryOf, changed, queries_on


@pytest.fixture(scope="module", params=["as it was built", "with new and changed items"])
def board(request: pytest.FixtureRequest, board: Snapshot) -> Snapshot:
    """The checkerboard, and again with changes."""
    return board if request.param == "as it was built" else changed(board)


@pytest.fixture(scope="module")
def queries(board: Snapshot, query_of: QueryOf) -> list[Query]:
    return queries_on(board, query_of)


@pytest.fixture(params=SCORERS)
def scorer(request: pytest.FixtureRequest, board: Snapshot) -> Source:
    return board.pipeline.sources[request.param]


def scores_of(source: Source, query: Query, items: object) -> Float32:
    """The scorer's scores, nothing remembered from what was asked before."""
    assert isinstance(source, Scorer)
    return source.score(replace(query, remembered={}), frozen(items, np.int32))


def test_every_source_that_can_score_any_item_is_held_to_it(board: Snapshot) -> None:
    assert {name for name, source in board.pipeline.sources.items() if isinstance(source, Scorer)} == set(SCORERS)


def test_a_sources_own_hits_have_the_scores_it_gives_them(scorer: Source, queries: list[Query]) -> None:
    for query in queries:
        hits = scorer.retrieve(query, 100)
        np.testing.assert_allclose(scores_of(scorer, query, hits.items), hits.scores, rtol=1e-4, atol=1e-6)


def test_nothing_allowed_that_was_not_returned_scores_better(scorer: Source, queries: list[Query]) -> None:
    for query in queries:
        hits = scorer.retrieve(query, 3)
        if len(hits) == 3:
            others = np.setdiff1d(np.flatnonzero(query.allowed), hits.items)
            assert not (scores_of(scorer, query, others) > hits.scores[-1] + 1e-5).any()


def test_scores_are_one_float32_an_item_in_the_order_asked(
    scorer: Source, queries: list[Query], board: Snapshot
) -> None:
    n_items = len(board.catalogue)
    mixed = np.random.default_rng(5).permutation(n_items)
    for query in queries[:4]:
        scores = scores_of(scorer, query, np.arange(n_items))
        assert (scores.dtype, scores.shape) == (np.float32, (n_items,))
        assert not np.isinf(scores).any()
        assert np.isfinite(scores).any()
        np.testing.assert_allclose(scores_of(scorer, query, mixed), scores[mixed], rtol=1e-5, atol=1e-6)
        nothing = scores_of(scorer, query, [])
        assert (nothing.dtype, nothing.shape) == (np.float32, (0,))


def test_what_is_allowed_or_on_the_page_is_no_matter_to_a_score(
    scorer: Source, queries: list[Query], board: Snapshot
) -> None:
    items = np.arange(len(board.catalogue))
    query = queries[0]
    masked = replace(query, allowed=frozen(np.zeros(len(items)), np.bool_), context_items=frozen([7], np.int32))
    assert scores_of(scorer, query, items).tobytes() == scores_of(scorer, masked, items).tobytes()


@pytest.mark.parametrize("user_id", ["", "u12", "nobody we know"])
def test_who_is_unknown_can_be_scored_without_a_word(
    scorer: Source, board: Snapshot, query_of: QueryOf, user_id: str
) -> None:
    n_items = len(board.catalogue)
    scores = scores_of(scorer, query_of(board, user_id), np.arange(n_items))
    assert (scores.dtype, scores.shape) == (np.float32, (n_items,))
    assert not np.isinf(scores).any()
    if scorer.name != "segment":
        # Nothing to say, or the same of everything.
        assert np.isnan(scores).all() or not scores.any()


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("content", [14, 15]),
        ("ease", [15]),
        ("item2vec", [14]),
        ("segment", [13, 14, 15]),
        ("two-tower", [15]),
        ("adoption", [15]),
    ],
)
def test_an_item_a_source_cannot_know_has_no_score(
    board: Snapshot, query_of: QueryOf, name: str, unknown: list[int]
) -> None:
    new = list(range(16, len(board.catalogue)))
    if name == "content":
        new = new[1:]  # the first one has been embedded
    scores = scores_of(board.pipeline.sources[name], query_of(board, "u00"), np.arange(len(board.catalogue)))
    assert np.flatnonzero(np.isnan(scores)).tolist() == unknown + new
