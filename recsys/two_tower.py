"""A deep two-tower model at serving: the user's tower in NumPy, the items' tower as the vectors it has put out.

Trained by softmax over items (Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
Recommendations", RecSys 2019), ids and histories left out at random (Volkovs, Yu, Poutanen, "DropoutNet: Addressing
Cold Start in Recommender Systems", NIPS 2017): text, codes and profile alone place whoever and whatever is new.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Bool, Float32, Float64, Int32, frozen
from recsys.decay import age_weeks, exponential
from recsys.query import History, Query
from recsys.snapshot.files import SnapshotReader, SnapshotWriter

# What a user took is pooled twice: what they are after now, and what they are like. Weeks to a third of the weight.
FADES_WEEKS = (4.0, 30.0)
# The newest interactions say it all, and bound the time of an answer.
MOST_HISTORY = 256
# Keeps the logarithm of a history's weight in the range of the other inputs.
AMOUNT_SCALE = 0.2


def fading(weights: Float32, ages: Float64) -> Float64:
    """(n, S) what interactions of ``weights`` (n,) and ``ages`` (n,) in weeks still count, by fade."""
    return np.stack([weights * exponential(ages, weeks) for weeks in FADES_WEEKS], axis=1)


def history_inputs(means: Float32, totals: Float64, centres: Float32) -> Float32:
    """(B, S (h + 1) + 1): what the user's tower sees of B histories.

    means (B, S, h): weighted mean of the items' inputs, of which the first f are the id's · totals (B, S): the weights'
    sums, 0 without a history · centres (S, f): mean of the id's part over users. The id's part is put in unit length
    from its centre, for what sets a user apart is a direction; a user without a history has zeros and a flag.
    """
    known: Bool = np.all(totals > 0, axis=1)
    width = centres.shape[1]
    apart = means[:, :, :width] - centres
    length = np.maximum(np.linalg.norm(apart, axis=2, keepdims=True), 1e-6)
    parts = np.concatenate([apart / length, means[:, :, width:]], axis=2)
    parts[~known] = 0.0
    amounts = AMOUNT_SCALE * np.log1p(totals)
    unknown = ~known[:, None]
    told = np.concatenate([parts.reshape(len(means), -1), amounts, unknown], axis=1)
    return frozen(told, np.float32)


@dataclass(frozen=True, slots=True)
class TwoTower:
    """n_items items of which n are known by an event or a text, d = width of a vector.

    vectors (n, d + w) float32: the item tower's unit vectors and beside them w log chances that a user takes the item
    for the first time, over several spans · items (n,) int32 ascending: the item of each row · inputs (n_items, h): the
    id's vector (f, zeros for an item without one) and the text's · centres (S, f) · bins (n_users, P) int32: row of
    ``profile`` (B, p) of each user and profile column, -1 unknown · the user tower: linear (m, d + w) with bias, and
    hidden (m, k) with hidden_bias, a rectifier and top (k, d); its last w outputs weigh the chances.
    """

    vectors: Float32
    items: Int32
    inputs: Float32
    centres: Float32
    bins: Int32
    profile: Float32
    linear: Float32
    bias: Float32
    hidden: Float32
    hidden_bias: Float32
    top: Float32

    def user_vector(self, query: Query) -> Float32 | None:
        """(d + w,) for the query's user, worked out once a query; None without either history or profile."""
        return query.remember(
            (TwoTower, id(self)), lambda: self.vector_of(query.history, query.bins_of(self.bins), at=query.at)
        )

    def vector_of(self, history: History, bins: Int32, *, at: int) -> Float32 | None:
        """The vector (d + w,) of a history as of ``at`` with the known ``bins`` of a profile."""
        items, weights = history.items[:MOST_HISTORY], history.weights[:MOST_HISTORY]
        kept = fading(weights, age_weeks(history.times[:MOST_HISTORY], at))
        totals = kept.sum(axis=0)
        if not len(bins) and not totals.all():
            return None
        means = (kept / np.maximum(totals, 1e-30)).T.astype(np.float32) @ self.inputs[items]
        seen = history_inputs(means[None], totals[None], self.centres)[0]
        return self.tower(np.concatenate([seen, self.profile[bins].sum(axis=0)]))

    def tower(self, inputs: Float32) -> Float32:
        """(…, d + w) of what the user's tower is told (…, m)."""
        out: Float32 = inputs @ self.linear + self.bias
        out[..., : self.top.shape[1]] += np.maximum(inputs @ self.hidden + self.hidden_bias, 0.0) @ self.top
        return out

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All it is made of, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def write(self, out: SnapshotWriter, name: str) -> None:
        """Store as ``<name>.*`` arrays."""
        for part, array in self.arrays.items():
            out.array(f"{name}.{part}", array)

    @classmethod
    def read(cls, src: SnapshotReader, name: str) -> TwoTower:
        """The model that ``write`` stored, memory-mapped."""
        return cls(**{field.name: src.array(f"{name}.{field.name}") for field in fields(cls)})
