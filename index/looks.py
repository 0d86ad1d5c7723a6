"""How much the rows of a window count, by what their users were shown in it.

A row's label is what the user took in the window. That somebody left an item says little while nobody knows whether
they saw it; that it was shown to them and left says more, by the chance that they looked where it stood: for a miss at
position k, P(looked | not clicked) = e_k (1 - a) / (1 - e_k a), with the attention e_k and the appeal a of the
position-based model (``position_bias``). What was taken low in a list, where few look, stands for others that were not
seen, and counts 1 / e_k (Joachims, Swaminathan, Schnabel, "Unbiased learning-to-rank with biased feedback", 2017).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from index.frames import Frame
from index.impressions import NEVER, Impressions
from index.position_bias import PositionCurve
from index.windows import Window
from recsys.arrays import Float32, Float64, Int32, Int64, frozen
from recsys.interactions import Interactions

# Somebody who has passed something over so often will not look again. Both bound what one row can do to a forest.
MOST_LOOKS = 5.0
MOST_INVERSE = 5.0


def row_weights(
    frame: Frame, asked: Int32, window: Window, shown: Impressions, interactions: Interactions, n_items: int
) -> Float32 | None:
    """(R,) float32 of ``frame``'s rows, whose queries are of the users ``asked``; None where nobody was shown anything.

    1, and more by what was shown in the window: of a negative by how often it was looked at and left, of a positive by
    how rarely people look where it was taken. Nothing from the window's end on is known: what was taken up later was
    not yet, and attention is worked out from earlier lists and those of the window. Who did anything with an item in
    the window, in a list or elsewhere, did not leave it.
    """
    # Attention is the page's and not the window's: all lists so far tell it.
    past = shown.between(0, window.end)
    inside = past.times >= window.start
    if not inside.any():
        return None
    looked, inverse = _chances(past)
    shown_keys = _keys(past.users, past.items, n_items)
    missed = inside & (past.taken == NEVER)
    acted = interactions.between(window.start, window.end)
    acted_keys = np.concatenate([_keys(acted.users, acted.items, n_items), shown_keys[inside & ~missed]])
    rows = _keys(asked[frame.query], frame.items, n_items)
    weights = np.ones(len(frame), np.float32)
    left = _at(rows, shown_keys[missed], looked[missed], np.add)
    left[frame.labels | np.isin(rows, acted_keys)] = 0.0
    weights += np.minimum(left, MOST_LOOKS)
    won = _at(rows[frame.labels], shown_keys[inside & ~missed], inverse[inside & ~missed], np.maximum)
    weights[frame.labels] = np.clip(won, 1.0, MOST_INVERSE)
    return frozen(weights, np.float32)


def _chances(past: Impressions) -> tuple[Float64, Float64]:
    """(N,) that each place was looked at, given that the item was not clicked there; and (N,) 1 / attention there."""
    places = pl.DataFrame(
        {
            "serving_config": past.configs,
            "item_id": past.items,
            "position": past.positions,
            "clicked": past.taken < NEVER,
            "converted": False,
        }
    )
    curve = PositionCurve.of(places)
    found = places.join(curve.appeal, on=["serving_config", "item_id"], how="left", maintain_order="left")
    examined, appeal = curve.examined[past.positions - 1], found["appeal"].to_numpy()
    missed = (1.0 - appeal) / np.maximum(1.0 - examined * appeal, 1e-9)
    return examined * missed, 1.0 / examined


def _keys(users: Int32, items: Int32, n_items: int) -> Int64:
    keys: Int64 = users.astype(np.int64) * n_items + items
    return keys


def _at(rows: Int64, keys: Int64, values: Float64, gather: np.ufunc) -> Float64:
    """(R,) of each key of ``rows`` the ``values`` of ``keys`` gathered by ``gather``; 0 where there are none."""
    found = np.zeros(len(rows))
    if not len(keys):
        return found
    order = np.argsort(keys, kind="stable")
    distinct, starts = np.unique(keys[order], return_index=True)
    gathered = gather.reduceat(values[order], starts)
    place = np.minimum(np.searchsorted(distinct, rows), len(distinct) - 1)
    there = distinct[place] == rows
    found[there] = gathered[place[there]]
    return found
