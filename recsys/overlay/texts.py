"""Vectors of texts that are new, searched beside the snapshot's: a small table, looked through from end to end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import Bool, Float32, Int32, frozen
from recsys.grown import grown, with_rows
from recsys.sources.content import Content
from recsys.text_vectors import TextVectors
from recsys.vector_index import VectorIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownIndex(VectorIndex):
    """``base``, and behind its rows those of ``side`` (t, d)."""

    base: VectorIndex
    side: Float32

    @classmethod
    def over(cls, base: VectorIndex, side: Float32) -> GrownIndex:
        """``base`` with ``side`` behind it."""
        return cls(base.index, base.n_probe, base.masked, base=base, side=side)

    @property
    def n_rows(self) -> int:
        """Of both."""
        return self.base.n_rows + len(self.side)

    def search(self, query: Float32, k: int, allowed: Bool | None = None) -> tuple[Int32, Float32]:
        """As ``VectorIndex``; time: the same, and d a side row that is allowed."""
        n = self.base.n_rows
        rows, scores = self.base.search(query, k, None if allowed is None else allowed[:n])
        late = np.arange(len(self.side)) if allowed is None else np.flatnonzero(allowed[n:])
        if k <= 0 or not len(late):
            return rows, scores
        # Row by row, not a matrix product, whose last bits depend on how many rows there are.
        side = np.einsum("ij,j->i", self.side, query)[late]
        rows, scores = np.concatenate([rows, late + n]), np.concatenate([scores, side])
        best = np.lexsort((rows, -scores))[:k]
        return rows[best].astype(np.int32), scores[best].astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownTexts(TextVectors):
    """``base``, and behind its texts those of ``side``, whose items are numbered as ``items`` (s,) says.

    moved: items of ``base`` whose text is another now.
    """

    base: TextVectors
    side: TextVectors
    items: Int32
    moved: Int32

    @classmethod
    def over(cls, base: TextVectors, items: Int32, side: TextVectors, *, emptied: Int32, n_items: int) -> GrownTexts:
        """``base`` with the texts ``side`` of ``items`` (s,) ascending, of ``n_items`` altogether.

        emptied: items of ``base`` that have no text any more. Copies 4 bytes an item where ``base`` knows one of them.
        """
        n_texts, text_of = len(base.vectors), side.text_of
        n_known = len(base.text_of)
        known = items < n_known
        late = np.full(n_items - n_known, -1, np.int32)
        late[items[~known] - n_known] = text_of[~known] + n_texts
        moved = np.concatenate([items[known], emptied])
        now = np.concatenate([text_of[known] + n_texts, np.full(len(emptied), -1)])
        return cls(
            grown(base.vectors, side.vectors),
            with_rows(base.text_of, late, moved, now),
            base.starts,
            base.members,
            base=base,
            side=side,
            items=items,
            moved=frozen(moved, np.int32),
        )

    def allowed_texts(self, allowed: Bool) -> Bool:
        """As ``TextVectors``."""
        own = self._own(allowed)
        return np.concatenate([self.base.allowed_texts(own), self.side.allowed_texts(allowed[self.items])])

    def expand(self, texts: Int32, scores: Float32, allowed: Bool, most: int) -> tuple[Int32, Float32]:
        """As ``TextVectors``."""
        n = len(self.base.vectors)
        early = texts < n
        items, own = self.base.expand(texts[early], scores[early], self._own(allowed), most)
        places, late = self.side.expand(texts[~early] - np.int32(n), scores[~early], allowed[self.items], most)
        return np.concatenate([items, self.items[places]]), np.concatenate([own, late])

    def _own(self, allowed: Bool) -> Bool:
        """``allowed`` of the items of ``base`` that still have their text."""
        own = allowed[: len(self.base.text_of)]
        if len(self.moved):
            own = own.copy()
            own[self.moved] = False
        return own


def with_texts(content: Content, items: Int32, side: TextVectors, *, emptied: Int32, n_items: int) -> Content:
    """``content`` with ``GrownTexts.over`` its texts."""
    if not len(items) and not len(emptied):
        late = np.full(n_items - len(content.texts.text_of), -1, np.int32)
        return replace(content, texts=replace(content.texts, text_of=grown(content.texts.text_of, late)))
    texts = GrownTexts.over(content.texts, items, side, emptied=emptied, n_items=n_items)
    return replace(content, texts=texts, index=GrownIndex.over(content.index, side.vectors))
