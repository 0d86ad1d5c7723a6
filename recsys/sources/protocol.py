"""The contract every source keeps (tests/recsys/test_source_contract.py holds each implementation to it)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from recsys.arrays import Float32, Int32
from recsys.query import Hits, Query


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
