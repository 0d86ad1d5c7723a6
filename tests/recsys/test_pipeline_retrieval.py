"""Candidates of many sources: whoever fails is named, who returned what is known, and nothing is returned in vain."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.model import Snapshot
from recsys.query import EMPTY_HITS, Hits, Query, narrowed
from recsys.serving import Depth, Scope, ServingConfig
from recsys.union import unite

QueryOf = Callable[..., Query]


@dataclass(frozen=True, slots=True)
class Broken:
    """A source that fails."""

    name: str

    def retrieve(self, query: Query, k: int) -> Hits:
        raise ZeroDivisionError("broken on purpose")


def hits(items: list[int], scores: list[float]) -> Hits:
    return Hits(frozen(items, np.int32), frozen(scores, np.float32))


def test_a_source_that_fails_is_named_and_the_others_answer(
    board: Snapshot, query_of: QueryOf, caplog: pytest.LogCaptureFixture
) -> None:
    query = query_of(board, "u00", limit=10)
    whole = board.pipeline
    broken = replace(whole, sources={**whole.sources, "als": Broken("als"), "content": Broken("content")})
    with caplog.at_level(logging.ERROR, "recsys.pipeline"):
        answer = broken.recommend(query)
    assert answer.failed_sources == ("als", "content")
    assert whole.recommend(query).failed_sources == ()
    assert len(answer.slate) == 10
    column = answer.provenance.names.index("als")
    assert np.isnan(answer.provenance.ranks[:, column]).all()
    assert "source als failed" in caplog.text
    assert "broken on purpose" in caplog.text


def test_when_every_source_fails_the_answer_is_empty_and_says_so(board: Snapshot, query_of: QueryOf) -> None:
    broken = replace(board.pipeline, sources={name: Broken(name) for name in board.pipeline.sources})
    answer = broken.recommend(query_of(board, "u00"))
    assert len(answer.slate) == 0
    assert set(answer.failed_sources) == set(board.pipeline.sources)


def test_a_source_this_data_cannot_have_is_no_failure(board: Snapshot, query_of: QueryOf) -> None:
    config = ServingConfig("odd", (Depth("popular", 5), Depth("nowhere", 5)))
    answer = board.pipeline.recommend(replace(query_of(board, "u00", limit=5), config=config))
    assert answer.failed_sources == ()
    assert len(answer.slate) == 5


def test_provenance_tells_who_returned_what_at_which_rank(board: Snapshot, query_of: QueryOf) -> None:
    query = query_of(board, "u00", limit=16)
    answer = board.pipeline.recommend(query)
    column = answer.provenance.names.index("history")
    found = board.pipeline.sources["history"].retrieve(query, 150).items.tolist()
    for item, rank in zip(answer.slate.items.tolist(), answer.provenance.ranks[:, column].tolist(), strict=True):
        assert rank == found.index(item) if item in found else np.isnan(rank)


def test_sources_of_new_items_do_not_waste_their_list_on_owned_ones(board: Snapshot, query_of: QueryOf) -> None:
    query = query_of(board, "u00")
    candidates, _ = board.pipeline.retrieve(query)
    for name in ("als", "content", "popular"):
        returned = candidates.items[np.isfinite(candidates.ranks[:, candidates.names.index(name)])]
        assert len(returned)
        assert not np.isin(returned, query.owned).any()


def test_narrowing_never_allows_what_was_not(board: Snapshot, query_of: QueryOf) -> None:
    mask = np.arange(16) < 5
    query = query_of(board, "u00", allowed=mask)
    new, owned = narrowed(query.allowed, query.owned, Scope.NEW), narrowed(query.allowed, query.owned, Scope.OWNED)
    assert np.flatnonzero(owned).tolist() == [2, 4]
    assert np.flatnonzero(new).tolist() == [0, 1, 3]
    assert narrowed(query.allowed, query.owned, Scope.ANY).tolist() == mask.tolist()
    assert query.allowed.tolist() == mask.tolist()


def test_the_union_is_in_item_order_with_holes_for_who_did_not_return_it() -> None:
    candidates = unite(("a", "b", "c"), [hits([5, 2], [9.0, 8.0]), EMPTY_HITS, hits([2, 7], [0.5, 0.4])])
    nan = np.nan
    assert candidates.items.tolist() == [2, 5, 7]
    np.testing.assert_array_equal(candidates.scores, np.array([[8, nan, 0.5], [9, nan, nan], [nan, nan, 0.4]], "f4"))
    np.testing.assert_array_equal(candidates.ranks, np.array([[1, nan, 0], [0, nan, nan], [nan, nan, 1]], "f4"))
    assert len(unite(("a",), [EMPTY_HITS])) == 0


def test_a_page_longer_than_all_sources_together_is_filled_from_popularity(board: Snapshot, query_of: QueryOf) -> None:
    shallow = ServingConfig("home", (Depth("history", 1), Depth("popular", 1, Scope.NEW)))
    n_items = len(board.catalogue)
    query = replace(query_of(board, "u00", limit=n_items), config=shallow)
    answer = board.pipeline.recommend(query)
    shown = set(answer.slate.items.tolist())
    not_owned = set(np.flatnonzero(narrowed(query.allowed, query.owned, Scope.NEW)).tolist())
    assert shown >= not_owned
    assert len(shown - not_owned) == 1
    assert len(board.pipeline.recommend(replace(query, limit=2)).slate) == 2
    assert len(board.pipeline.retrieve(replace(query, limit=2))[0]) == 2


def test_what_fills_a_page_follows_what_was_proposed_and_does_not_reorder_it(
    world: Callable[..., Snapshot], query_of: QueryOf
) -> None:
    n_items = 260
    rng = np.random.default_rng(3)
    pairs = np.unique(np.column_stack([rng.integers(0, 40, 900), rng.integers(0, n_items, 900)]), axis=0)
    events = [(user, item, 1) for user, item in pairs.tolist()]
    wide = world(events, n_users=40, n_items=n_items)
    # Two sources that disagree, so that a place from popularity would move items of the other one.
    depths = (Depth("history", 30), Depth("als", 20, Scope.NEW), Depth("popular", 10, Scope.NEW))
    shallow = ServingConfig("home", depths)
    query = replace(query_of(wide, "u00"), config=shallow)
    n_proposed = len(wide.pipeline.retrieve(replace(query, limit=1))[0])

    longest = wide.pipeline.recommend(replace(query, limit=n_items)).slate
    for limit in (n_proposed - 1, n_proposed, n_proposed + 1, n_proposed + 100, n_proposed + 101):
        page = wide.pipeline.recommend(replace(query, limit=limit)).slate
        assert page.items.tolist() == longest.items.tolist()[:limit]
        assert page.scores.tobytes() == longest.scores[:limit].tobytes()
    assert n_proposed + 101 < len(longest) == len(set(longest.items.tolist()))
