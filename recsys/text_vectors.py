"""Text embeddings of the catalogue, one row per distinct text: many products share one description."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64, frozen
from recsys.decay import age_weeks, exponential
from recsys.grouping import Groups, ranges
from recsys.query import History, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

INTEREST_WEEKS = 8.0
MOST_ITEMS = 64


@dataclass(frozen=True, slots=True)
class TextVectors:
    """vectors (T, d) float32 of unit length · text_of (n_items,) int32 row of an item's text, -1 without text ·
    starts (T+1,) int64 and members int32: the items of each text, the most popular first.
    """

    vectors: Float32
    text_of: Int32
    starts: Int64
    members: Int32

    @classmethod
    def of(cls, vectors: Float32, text_of: Int32, popularity: Float32) -> TextVectors:
        """Group items by text; ``popularity`` (n_items,) orders the items of one text, ties by item number."""
        items = np.flatnonzero(text_of >= 0)
        order = items[np.lexsort((items, -popularity[items], text_of[items]))]
        starts = np.searchsorted(text_of[order], np.arange(len(vectors) + 1))
        return cls(
            frozen(vectors, np.float32), frozen(text_of, np.int32), frozen(starts, np.int64), frozen(order, np.int32)
        )

    def allowed_texts(self, allowed: Bool) -> Bool:
        """Texts (T,) of which at least one item is allowed (n_items,)."""
        if not len(self.members):
            return np.zeros(len(self.vectors), bool)
        # Every text has a member, so no group of the reduction is empty.
        return np.logical_or.reduceat(allowed[self.members], self.starts[:-1])

    def expand(self, texts: Int32, scores: Float32, allowed: Bool, most: int) -> tuple[Int32, Float32]:
        """At most ``most`` allowed items of each of ``texts`` (m,) with their text's score: items and scores (n,)."""
        places, text = ranges(self.starts[texts], self.starts[texts + 1])
        items = self.members[places]
        keep = allowed[items]
        text, items = text[keep], items[keep]
        # Position among the allowed items of its text: text is ascending, so the group's start is a search away.
        position = np.arange(len(text)) - np.searchsorted(text, text)
        near = position < most
        return items[near], scores[text[near]]

    def interest(self, history: History, at: int) -> Float32 | None:
        """A user's unit vector (d,): the decayed mean of the items that count most; None without any text."""
        groups = Groups.of(self.text_of[history.items].astype(np.int64))
        weights = groups.sum(history.weights * exponential(age_weeks(history.times, at), INTEREST_WEEKS))
        known = groups.keys >= 0
        return self.mean(groups.keys[known], weights[known])

    def interest_of(self, query: Query) -> Float32 | None:
        """The interest of the query's user, worked out once a query."""
        return query.remember((TextVectors, id(self)), lambda: self.interest(query.history, query.at))

    def mean(self, texts: Int32 | Int64, weights: Float64) -> Float32 | None:
        """Unit weighted mean (d,) of the ``MOST_ITEMS`` heaviest of ``texts``; None when there is none."""
        if not len(texts):
            return None
        if len(texts) > MOST_ITEMS:
            heaviest = np.lexsort((texts, -weights))[:MOST_ITEMS]
            texts, weights = texts[heaviest], weights[heaviest]
        vector = (weights.astype(np.float32) @ self.vectors[texts]).astype(np.float32)
        length = float(np.linalg.norm(vector))
        return vector / np.float32(length) if length > 0 else None

    def write(self, out: SnapshotWriter) -> None:
        """Store as ``texts.*`` arrays."""
        for name in ("vectors", "text_of", "starts", "members"):
            out.array(f"texts.{name}", getattr(self, name))

    @classmethod
    def read(cls, src: SnapshotReader) -> TextVectors:
        """The table that ``write`` stored, memory-mapped."""
        return cls(*(src.array(f"texts.{name}") for name in ("vectors", "text_of", "starts", "members")))
