"""The contract every source keeps (tests/recsys/test_source_contract.py holds each implementation to it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from recsys.arrays import Float32, Int32
from recsys.query import Hits, Query
from recsys.vector_index import VectorIndex


class Source(Protocol):
    """A first-stage generator.

    ``retrieve`` returns at most ``k`` hits within ``query.allowed``: unique, best first, ties by item number, never
    -1, no reading of clocks. A user it knows nothing about gets ``EMPTY_HITS`` (cold start is not a branch).
    """

    @property
    def name(self) -> str:
        """Stable name: a column of the features, a word in answers."""

    def retrieve(self, query: Query, k: int) -> Hits:
        """The source's ``k`` best items for ``query``."""


@runtime_checkable
class Scorer(Protocol):
    """A source that can score any item: what it thinks of the others' candidates is a feature."""

    def score(self, query: Query, items: Int32) -> Float32:
        """(C,) scores of ``items`` (C,) in ``retrieve``'s units; NaN where it has nothing to say."""


class Speaker(Protocol):
    """A source that can say which of the user's items speak for another."""

    def spoken_for(self, items: Int32, own: Int32) -> Float32:
        """(C, m): how strongly each of ``own`` (m,) speaks for each of ``items`` (C,), 0 or less where not at all."""


@runtime_checkable
class VectorSource(Protocol):
    """A source whose candidates are the items of the largest inner product with a vector of the user."""

    @property
    def index(self) -> VectorIndex:
        """What is searched."""

    @property
    def indexed_vectors(self) -> Float32:
        """(n, d): what ``index`` was built over, row by row."""

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All that is multiplied on the way, by name: one NaN in it spoils answers."""

    def vector_of(self, query: Query) -> Float32 | None:
        """What the index is asked (d,); None where it is not."""
