"""What every source keeps, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.model import Snapshot
from recsys.query import Hits, Query
from recsys.sources.affinity import AffinityPopular
from recsys.sources.ease import Ease
from recsys.sources.item2vec import Item2Vec
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sources.popular import Popular
from recsys.sources.protocol import Source
from recsys.sources.stored import StoredSource
from recsys.sources.two_tower import TwoTowerSource
from recsys.sources.user_neighbours import UserNeighbours
from recsys.sparse import SparseTable

from .contract_boards import (
    FROM_CONTEXT,
    FROM_EITHER,
    FROM_HISTORY,
    FROM_PROFILE,
    NAMES,
    POPULARITY,
    QueryOf,
    changed,
    queries_on,
)


@pytest.fixture(scope="module", params=["as it was built", "with new and changed items"])
def board(request: pytest.FixtureRequest, board: Snapshot) -> Snapshot:
    """The checkerboard, and again with changes."""
    return board if request.param == "as it was built" else changed(board)


@pytest.fixture(params=NAMES)
def source(request: pytest.FixtureRequest, board: Snapshot) -> Source:
    return board.pipeline.sources[request.param]


@pytest.fixture(scope="module")
def queries(board: Snapshot, query_of: QueryOf) -> list[Query]:
    return queries_on(board, query_of)


def as_lists(hits: Hits) -> tuple[list[int], list[float]]:
    return hits.items.tolist(), hits.scores.tolist()


def test_every_source_of_a_full_snapshot_is_held_to_the_contract(board: Snapshot) -> None:
    assert set(NAMES) == set(board.pipeline.sources)


def test_a_source_is_known_by_the_name_it_has_in_the_pipeline(board: Snapshot) -> None:
    assert all(source.name == name for name, source in board.pipeline.sources.items())


@pytest.mark.parametrize("k", [1, 3, 100])
def test_hits_are_allowed_unique_and_at_most_k(source: Source, queries: list[Query], k: int) -> None:
    found = 0
    for query in queries:
        items = source.retrieve(query, k).items
        assert len(items) <= k
        assert len(np.unique(items)) == len(items)
        assert (items >= 0).all()
        assert query.allowed[items].all()
        found += len(items)
    assert found > 0


def test_a_mask_is_searched_within_and_not_applied_to_what_was_found(
    source: Source, queries: list[Query], board: Snapshot
) -> None:
    """The best allowed item is found however many better ones are not allowed."""
    found, n_items = 0, len(board.catalogue)
    for query in queries:
        everything = source.retrieve(replace(query, allowed=frozen(np.ones(n_items), np.bool_)), 100).items
        for item in everything[1:].tolist():
            only = source.retrieve(replace(query, allowed=frozen(np.arange(n_items) == item, np.bool_)), 1).items
            assert only.tolist() == [item]
            found += 1
    assert found > 0


def test_hits_come_best_first_and_ties_by_item_number(source: Source, queries: list[Query]) -> None:
    for query in queries:
        items, scores = as_lists(source.retrieve(query, 100))
        assert np.isfinite(scores).all()
        assert list(zip(items, scores, strict=True)) == sorted(
            zip(items, scores, strict=True), key=lambda hit: (-hit[1], hit[0])
        )


def test_a_shorter_list_is_the_beginning_of_a_longer_one(source: Source, queries: list[Query]) -> None:
    for query in queries:
        long = source.retrieve(query, 100).items.tolist()
        for k in (1, 4):
            assert source.retrieve(query, k).items.tolist() == long[:k]


def test_hits_have_the_promised_types_and_cannot_be_written(source: Source, queries: list[Query]) -> None:
    for query in queries[:3]:
        hits = source.retrieve(query, 5)
        assert (hits.items.dtype, hits.scores.dtype) == (np.int32, np.float32)
        assert len(hits.items) == len(hits.scores)
        assert not hits.items.flags.writeable
        assert not hits.scores.flags.writeable


def test_the_same_query_has_the_same_hits(source: Source, queries: list[Query]) -> None:
    for query in queries:
        assert as_lists(source.retrieve(query, 7)) == as_lists(source.retrieve(query, 7))


@pytest.mark.parametrize("k", [0, 5])
def test_nothing_is_returned_when_nothing_is_asked_for_or_allowed(source: Source, queries: list[Query], k: int) -> None:
    for query in queries:
        masked = query if k == 0 else replace(query, allowed=frozen(np.zeros_like(query.allowed), np.bool_))
        hits = source.retrieve(masked, k)
        assert as_lists(hits) == ([], [])
        assert (hits.items.dtype, hits.scores.dtype) == (np.int32, np.float32)


@pytest.mark.parametrize("name", FROM_HISTORY + FROM_PROFILE + FROM_EITHER)
@pytest.mark.parametrize("user_id", ["", "u12", "nobody we know"])
def test_who_has_neither_history_nor_profile_gets_nothing_from_it(
    board: Snapshot, query_of: QueryOf, name: str, user_id: str
) -> None:
    query = query_of(board, user_id, context_item_ids=("i00",))
    assert len(board.pipeline.sources[name].retrieve(query, 5)) == 0


@pytest.mark.parametrize("name", FROM_CONTEXT)
def test_without_context_items_there_is_nothing_to_be_similar_to(board: Snapshot, query_of: QueryOf, name: str) -> None:
    assert len(board.pipeline.sources[name].retrieve(query_of(board, "u00"), 5)) == 0


@pytest.mark.parametrize(("name", "item_id"), [("similar-als", "i13"), ("similar-content", "i14")])
def test_a_context_item_the_source_does_not_know_gives_nothing(
    board: Snapshot, query_of: QueryOf, name: str, item_id: str
) -> None:
    query = query_of(board, "u00", context_item_ids=(item_id,))
    assert len(board.pipeline.sources[name].retrieve(query, 5)) == 0


@pytest.mark.parametrize("name", POPULARITY)
def test_popularity_answers_even_who_is_unknown(board: Snapshot, query_of: QueryOf, name: str) -> None:
    assert len(board.pipeline.sources[name].retrieve(query_of(board, ""), 5)) == 5


@pytest.mark.parametrize("name", FROM_PROFILE + FROM_EITHER)
@pytest.mark.parametrize("user_id", ["u00", "u11"])
def test_a_profile_is_enough_for_what_goes_by_the_profile(
    board: Snapshot, query_of: QueryOf, name: str, user_id: str
) -> None:
    before_all = query_of(board, user_id, at=1)
    assert len(before_all.history) == 0
    assert len(board.pipeline.sources[name].retrieve(before_all, 5)) == 5


EQUAL = {
    "als": {"factors": np.ones((9, 2))},
    "content": {"vectors": np.ones((9, 2)), "text_of": np.arange(9)},
}


@pytest.mark.parametrize(
    "name", ["als", "content", "ease", "item-knn", "user-knn", "item2vec", "affinity", "first", "two-tower"]
)
def test_equal_scores_are_cut_by_item_number(
    world: Callable[..., Snapshot],
    query_of: QueryOf,
    sparse: Callable[..., SparseTable],
    ease: Callable[..., Ease],
    item2vec: Callable[..., Item2Vec],
    towers: Callable[..., TwoTowerSource],
    name: str,
) -> None:
    ones = np.ones((9, 9))
    more: dict[str, StoredSource] = {
        "ease": ease(np.ones((3, 9)), penalty=1.0),
        "item-knn": ItemNeighbours(sparse(ones), "item-knn"),
        "user-knn": UserNeighbours(sparse(ones), sparse(ones), frozen(np.arange(9), np.int32)),
        "item2vec": item2vec(np.ones((9, 2))),
        "affinity": AffinityPopular.of(frozen(np.zeros(9), np.int32), frozen(np.ones(9), np.float32)),
        "first": Popular.of(frozen(np.ones(9), np.float32), "first"),
        "two-tower": towers(np.ones((9, 3)), np.ones((9, 2))),
    }
    kinds = EQUAL.get(name, {"more": [more[name]]} if name in more else {})
    same = world([(0, 0, 1), (1, 0, 1)], n_users=2, n_items=9, **kinds)
    # What the user owns has a score of its own with EASE: only others are alike.
    allowed = np.arange(9) > 0
    hits = same.pipeline.sources[name].retrieve(query_of(same, "u00", allowed=allowed), 4)
    assert hits.items.tolist() == [1, 2, 3, 4]
    assert len(set(hits.scores.tolist())) == 1
