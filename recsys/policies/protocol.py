"""The contract every policy keeps (tests/recsys/policies/test_policy_contract.py holds each implementation to it)."""

from __future__ import annotations

from typing import Protocol

from recsys.arrays import Int64
from recsys.context import Context
from recsys.query import Query, Slate


class Policy(Protocol):
    """A rule applied after ranking.

    ``select`` returns positions into the slate, each at most once: what it leaves out is dropped, what it moves is
    reordered. It can neither add nor rescore. The first ``n`` places are the same for every ``query.limit`` from ``n``
    on: a page is the beginning of a longer page. No reading of clocks, no chance.
    """

    def select(self, query: Query, slate: Slate, context: Context) -> Int64:
        """(M,) int64 positions into ``slate``, M <= N, best first; at least the first ``query.limit`` are decided."""
