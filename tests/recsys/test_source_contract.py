"""What every source keeps, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recsys.arrays import Bool, Float32, frozen
from recsys.model import Snapshot
from recsys.overlay.overlay import Basis
from recsys.query import Hits, Query
from recsys.sources.affinity import AffinityPopular
from recsys.sources.ease import Ease
from recsys.sources.item2vec import Item2Vec
from recsys.sources.item_neighbours import ItemNeighbours
from recsys.sources.popular import Popular
from recsys.sources.protocol import Scorer, Source
from recsys.sources.stored import StoredSource
from recsys.sources.two_tower import TwoTowerSource
from recsys.sources.user_neighbours import UserNeighbours
from recsys.sparse import SparseTable
from recsys.stores.records import LiveItem, text_digest

POPULARITY = ("popular", "first", "trending")
FROM_HISTORY = ("history", "als", "content", "ease", "item-knn", "user-knn", "next", "item2vec", "affinity")
FROM_PROFILE = ("segment",)
SCORERS = (
    "als",
    "content",
    "ease",
    "item-knn",
    "user-knn",
    "next",
    "item2vec",
    "affinity",
    "segment",
    "two-tower",
)
FROM_EITHER = ("two-tower",)
FROM_CONTEXT = ("similar-als", "similar-content")
NAMES = (*POPULARITY, *FROM_HISTORY, *FROM_PROFILE, *FROM_EITHER, *FROM_CONTEXT)
QueryOf = Callable[..., Query]


def masks(n_items: int) -> list[Bool]:
    rng = np.random.default_rng(2)
    return [
        np.ones(n_items, bool),
        np.arange(n_items) == 6,
        *(rng.random(n_items) < share for share in (0.2, 0.5, 0.8)),
    ]


@pytest.fixture(scope="module", params=["as it was built", "with new and changed items"])
def board(request: pytest.FixtureRequest, board: Snapshot) -> Snapshot:
    """The checkerboard, and again with another text for item 3 and two new items, of which one is embedded."""
    if request.param == "as it was built":
        return board
    created = {"is_created": True, "created_us": 1}
    changes = [
        LiveItem("i03", {"title": "Other"}, 2),
        LiveItem("i16", {"title": "New", "price": 2.0}, 1, **created),
        LiveItem("i17", {"title": "Newer"}, 1, **created),
    ]
    vectors = {text_digest(text): frozen([1, 0, 0, 0, 0], np.float32) for text in ("Other", "New")}
    return Basis(board).over(changes, vectors).snapshot


@pytest.fixture(params=NAMES)
def source(request: pytest.FixtureRequest, board: Snapshot) -> Source:
    return board.pipeline.sources[request.param]


@pytest.fixture(scope="module")
def queries(board: Snapshot, query_of: QueryOf) -> list[Query]:
    """Users of both colours beside one or two context items, under masks from everything to one item."""
    return [
        query_of(board, user_id, context_item_ids=context, allowed=mask)
        for user_id in ("u00", "u01", "u07", "u10")
        for context in (("i00",), ("i03", "i04"))
        for mask in masks(len(board.catalogue))
    ]


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
    [("content", [14, 15]), ("ease", [15]), ("item2vec", [14]), ("segment", [13, 14, 15]), ("two-tower", [15])],
)
def test_an_item_a_source_cannot_know_has_no_score(
    board: Snapshot, query_of: QueryOf, name: str, unknown: list[int]
) -> None:
    new = list(range(16, len(board.catalogue)))
    if name == "content":
        new = new[1:]  # the first one has been embedded
    scores = scores_of(board.pipeline.sources[name], query_of(board, "u00"), np.arange(len(board.catalogue)))
    assert np.flatnonzero(np.isnan(scores)).tolist() == unknown + new
