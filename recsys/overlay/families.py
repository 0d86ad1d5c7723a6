"""Code families over changed items, and the shares that items have of their groups."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from recsys.arrays import Float32, Int32
from recsys.context import CROSS, Takers
from recsys.grown import grown, with_rows
from recsys.model import Snapshot
from recsys.overlay.changes import Changes
from recsys.overlay.labels import Coding, Labels, Pairs, label_of

Shares = dict[str, Float32]


class CodeFamilies:
    """Those of ``snapshot``. What its codes stand for is worked out once a family, when a change asks for it first."""

    def __init__(self, snapshot: Snapshot, like: CodeFamilies | None = None) -> None:
        """like: of the same catalogue, whose work is used again."""
        self._snapshot = snapshot
        self._labels: dict[str, Labels] = {} if like is None else like._labels
        self._pairs: dict[str, Pairs] = {} if like is None else like._pairs

    def codes(self, changes: Changes) -> dict[str, Int32]:
        """The catalogue's families under ``changes``; not copied where no known item is of another group."""
        found = {}
        for name, old in self._snapshot.catalogue.codes.items():
            coding = Coding(self._labels_of(name))
            labels = [label_of(name, row.category, row.brand, row.attributes) for row in changes.rows]
            found[name] = self._moved(old, np.array([coding.code(label) for label in labels], np.int32), changes)
        return found

    def families(self, changes: Changes, codes: Mapping[str, Int32]) -> dict[str, Int32]:
        """The context's families, by the names they have in the snapshot: the rankers were trained on their columns."""
        found = {}
        for name, old in self._snapshot.model.context.families.items():
            if name in codes:
                found[name] = codes[name]
                continue
            one, other = _parts(name, codes)
            if name not in self._pairs:
                own = self._snapshot.catalogue.codes
                self._pairs[name] = Pairs.of(own[one], own[other], old)
            pairs = self._pairs[name].code(codes[one][changes.numbers], codes[other][changes.numbers])
            found[name] = self._moved(old, pairs, changes)
        return found

    def shares(self, changes: Changes, families: Mapping[str, Int32], arrivals: Float32) -> tuple[Shares, Shares]:
        """Shares and first shares of ``families``, as ``Context.of`` would have them; arrivals (m, 15): statistics of
        the new items.
        """
        context = self._snapshot.model.context
        known, late = changes.numbers[: changes.n_known], changes.numbers[changes.n_known :]
        late_takers = Takers.of_rows(arrivals)
        is_untaken = not late_takers.users.any()
        shares, first_shares = {}, {}
        for name, codes in families.items():
            if is_untaken and np.array_equal(codes[known], context.families[name][known]):
                # Nobody took a new item: it has no share of its group, and the others' is what it was.
                nothing = np.where(codes[late] >= 0, np.float32(0), np.float32(np.nan))
                shares[name] = grown(context.shares[name], nothing)
                first_shares[name] = grown(context.first_shares[name], nothing)
            else:
                takers, whole = self._takers.with_newcomers(late_takers), codes[:]
                shares[name], first_shares[name] = takers.shares(whole), takers.first_shares(whole)
        return shares, first_shares

    @cached_property
    def _takers(self) -> Takers:
        return Takers.of(self._snapshot.model.context.statistics)

    def _labels_of(self, name: str) -> Labels:
        if name not in self._labels:
            catalogue, filters = self._snapshot.catalogue, self._snapshot.filters
            self._labels[name] = Labels.of(name, catalogue.codes[name], catalogue, filters)
        return self._labels[name]

    @staticmethod
    def _moved(old: Int32, now: Int32, changes: Changes) -> Int32:
        """``old`` (n_items,) with the codes ``now`` (c,) of the changes."""
        n_known = changes.n_known
        known = changes.numbers[:n_known]
        other = np.flatnonzero(old[known] != now[:n_known])
        return with_rows(old, now[n_known:], known[other], now[other])


def _parts(name: str, codes: Mapping[str, Int32]) -> tuple[str, str]:
    """The two families that the crossed one ``name`` is made of."""
    parts = [(one, name.removeprefix(f"{one}{CROSS}")) for one in codes if name.startswith(f"{one}{CROSS}")]
    return next((one, other) for one, other in parts if other in codes)
