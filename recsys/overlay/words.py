"""Words of texts that are new, beside the index of the snapshot's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Int32, frozen
from recsys.lexical import WordIndex
from recsys.query import Hits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GrownWords(WordIndex):
    """``base``, and ``side`` over the texts of ``items`` (s,), which ``base`` is not asked for."""

    base: WordIndex
    side: WordIndex
    items: Int32

    @classmethod
    def over(cls, base: WordIndex | None, items: Int32, texts: Sequence[str], n_known: int) -> GrownWords:
        """``base``, of ``n_known`` items (None: without a text), with ``texts`` (s,) of ``items`` (s,) ascending."""
        base = base or WordIndex.of([""] * n_known)
        side = WordIndex.of(texts, beside=base)
        return cls(base.words, base.starts, base.texts, base.worths, base.text_of, base=base, side=side, items=items)

    def search(self, text: str, k: int, allowed: Bool) -> Hits:
        """As ``WordIndex``."""
        n_known = len(self.base.text_of)
        own = allowed[:n_known].copy()
        own[self.items[: np.searchsorted(self.items, n_known)]] = False
        early = self.base.search(text, k, own)
        late = self.side.search(text, k, allowed[self.items])
        if not len(late):
            return early
        items = np.concatenate([early.items, self.items[late.items]])
        return Hits.best_first(frozen(items, np.int32), np.concatenate([early.scores, late.scores]), k)
