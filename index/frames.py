"""Training rows of one window: candidates of the online path, features by the online code, labels from the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recsys.arrays import Bool, Float32, Int32, Int64, frozen
from recsys.ask import Ask, resolve
from recsys.evaluation.truth import Truth
from recsys.features.assemble import assemble
from recsys.model import Snapshot

CHUNK = 128


@dataclass(frozen=True, slots=True)
class Frame:
    """R rows. features (R, F) float32 · labels (R,) bool · new (R,) bool: the user did not own the item · query (R,)
    int64 position of the user in ``truth`` · items (R,) int32 · kept: share of the window's negatives that are here ·
    weights (R,) float32: how much each row counts in training, None: all alike.
    """

    features: Float32
    labels: Bool
    new: Bool
    query: Int64
    items: Int32
    kept: float = 1.0
    weights: Float32 | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: Bool) -> Frame:
        """The rows where ``keep`` (R,) is True, copied so that the rest can be freed; itself where that is all."""
        if keep.all():
            return self
        return Frame(
            self.features[keep],
            self.labels[keep],
            self.new[keep],
            self.query[keep],
            self.items[keep],
            self.kept,
            None if self.weights is None else self.weights[keep],
        )

    def heeding(self, strength: float) -> Frame:
        """The rows with ``strength`` times what their weights are above 1; at 0 all are alike."""
        if self.weights is None or strength == 1.0:
            return self
        return replace(self, weights=1.0 + np.float32(strength) * (self.weights - 1.0) if strength else None)

    def spread(self, had: Sequence[str], wanted: Sequence[str]) -> Frame:
        """The rows with the columns ``wanted`` instead of ``had`` (F,); NaN in those that are not among ``had``."""
        features = np.full((len(self), len(wanted)), np.nan, np.float32)
        place = {name: position for position, name in enumerate(had)}
        there = [position for position, name in enumerate(wanted) if name in place]
        features[:, there] = self.features[:, [place[wanted[position]] for position in there]]
        return replace(self, features=features)

    def thinned(self, share: float, rng: np.random.Generator, among: Bool | None = None) -> Frame:
        """All positives and a random ``share`` of the window's negatives, of which ``kept`` are still here.

        among: (R,) the rows that come into question; None: all.
        """
        keep = np.ones(len(self), bool) if among is None else among.copy()
        keep[keep] = self.labels[keep] | (rng.random(int(keep.sum())) < share / self.kept)
        return replace(self.where(keep), kept=min(share, self.kept))

    @classmethod
    def concatenate(cls, frames: list[Frame]) -> Frame:
        """All rows of ``frames`` in order; queries stay numbered as they were in each."""
        columns = ("features", "labels", "new", "query", "items")
        joined = {column: np.concatenate([getattr(frame, column) for frame in frames]) for column in columns}
        weights = None
        if any(frame.weights is not None for frame in frames):
            parts = [np.ones(len(one), np.float32) if one.weights is None else one.weights for one in frames]
            weights = np.concatenate(parts)
        return cls(**joined, kept=min(frame.kept for frame in frames), weights=weights)


def frame_of(
    snapshot: Snapshot,
    truth: Truth,
    user_ids: list[str],
    *,
    at: int,
    share: float = 1.0,
    rng: np.random.Generator | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> Frame:
    """Rows of the ``home`` candidates of every user of ``truth``, asked as of ``at``.

    The ``discover`` candidates are the rows with ``new``: both serving configs ask the same sources at the same depth.
    ``share`` of the negatives are kept, chosen by ``rng``. Memory: 4 F bytes a row, about 300 rows a user x ``share``.
    """
    n_items = len(snapshot.catalogue)
    truth_keys = np.repeat(np.arange(len(truth), dtype=np.int64), truth.sizes) * n_items + truth.items

    def chunk(start: int) -> Frame:
        users = truth.users[start : start + CHUNK]
        queries = [resolve(Ask(at=at, user_id=user_ids[user]), snapshot).query for user in users]
        candidates = [snapshot.pipeline.retrieve(query)[0] for query in queries]
        features, rows = assemble(snapshot.pipeline.families, queries, candidates, snapshot.model.context)
        owned = np.concatenate([i * n_items + q.owned.astype(np.int64) for i, q in enumerate(queries)])
        keys = (rows.query_of + start) * n_items + rows.items
        advance(len(users))
        whole = Frame(
            features=features,
            labels=np.isin(keys, truth_keys),
            new=~np.isin(rows.keys, owned),
            query=rows.query_of + start,
            items=rows.items,
        )
        return whole if rng is None else whole.thinned(share, rng)

    # One thread: the calls are many and short, and two threads fighting for the interpreter took twice as long.
    frames = [chunk(start) for start in range(0, len(truth), CHUNK)]
    if not frames:
        width = len(snapshot.feature_names)
        empty = np.empty(0, np.int64)
        return Frame(np.empty((0, width), np.float32), empty > 0, empty > 0, empty, frozen(empty, np.int32))
    return Frame.concatenate(frames)
