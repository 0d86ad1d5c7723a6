"""What sources that search vectors tell of themselves, which the gates hold them to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.model import Snapshot
from recsys.query import Query
from recsys.sources.protocol import VectorSource
from recsys.vector_index import exact_search

QueryOf = Callable[..., Query]
NAMES = ("als", "content", "ease", "item2vec", "two-tower")


@pytest.fixture(params=NAMES)
def source(board: Snapshot, request: pytest.FixtureRequest) -> VectorSource:
    found = board.model.sources[request.param]
    assert isinstance(found, VectorSource)
    return found


def test_every_source_that_searches_vectors_says_so(board: Snapshot) -> None:
    assert {name for name, one in board.model.sources.items() if isinstance(one, VectorSource)} == set(NAMES)


def test_the_index_is_over_the_vectors_it_names(source: VectorSource, board: Snapshot, query_of: QueryOf) -> None:
    vector = source.vector_of(query_of(board, "u00"))
    assert vector is not None
    rows, scores = source.index.search(vector, 5)
    np.testing.assert_array_equal(np.sort(rows), np.sort(exact_search(source.indexed_vectors, vector, 5)))
    np.testing.assert_allclose(scores, source.indexed_vectors[rows] @ vector, rtol=1e-4, atol=1e-6)


def test_who_left_no_trace_has_no_vector(source: VectorSource, board: Snapshot, query_of: QueryOf) -> None:
    assert source.vector_of(query_of(board, "nobody we know")) is None


def test_what_is_multiplied_is_finite_and_holds_the_vectors(source: VectorSource) -> None:
    assert all(np.isfinite(array).all() for array in source.arrays.values())
    largest = max(array.size for array in source.arrays.values())
    assert largest >= source.indexed_vectors.size
