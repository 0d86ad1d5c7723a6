"""How far down lists people look, worked out from clicks, and negatives that allow for it.

The position-based model: a place is clicked when it is looked at, with probability ``examined[k]`` by its position, and
the item appeals, with probability ``appeal`` by item and serving config (Craswell et al. 2008; as a model of
propensities Joachims, Swaminathan, Schnabel 2017). Click rates by position alone would take what ranks first for what
is looked at first; here the same item in several places tells the two apart, by expectation maximisation (Chuklin,
Markov, de Rijke 2015, "Click Models for Web Search", chapter 4) with the first position as the unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from recsys.arrays import Float64, Int64, frozen

N_ROUNDS = 500
_CLOSE = 1e-6
# Sights by which the appeal of an item is drawn towards the mean: one that was shown once has no rate of its own.
_PRIOR = 10.0


@dataclass(frozen=True, slots=True)
class PositionCurve:
    """examined (K,) float64 in (0, 1]: of positions 1 … K, relative to the first that was shown; NaN where none was ·
    appeal: serving_config, item_id, appeal.
    """

    examined: Float64
    appeal: pl.DataFrame

    @classmethod
    def of(cls, placements: pl.DataFrame) -> PositionCurve:
        """From ``Feedback.placements``; an empty curve from none."""
        counts = placements.group_by("serving_config", "item_id", "position").agg(
            n=pl.len(), hits=(pl.col("clicked") | pl.col("converted")).sum()
        )
        items = counts.select("serving_config", "item_id").unique().sort("serving_config", "item_id")
        numbered = counts.join(items.with_row_index("row"), on=["serving_config", "item_id"])
        rows, places = (numbered[name].to_numpy().astype(np.int64) for name in ("row", "position"))
        n, hits = (numbered[name].to_numpy().astype(np.float64) for name in ("n", "hits"))
        if not len(n):
            return cls(frozen([], np.float64), items.with_columns(appeal=pl.lit(0.0)))
        examined, appeal = _fitted(rows, places - 1, n, hits)
        return cls(frozen(examined, np.float64), items.with_columns(appeal=pl.Series(appeal)))


def negatives(placements: pl.DataFrame, acted: pl.DataFrame) -> pl.DataFrame:
    """user_id, item_id, timestamp (UTC), position and weight of what was shown to somebody and not taken up.

    acted: user_id, item_id, time_us of events by other ways: what somebody turned to after it was shown is no negative.
    weight: the chance that the item does not appeal, given that it was not clicked there,
    (1 - appeal) / (1 - examined * appeal). Over clicks and misses its mean is 1 - appeal at any position, so that sums
    of it are what inverse propensities are after: a miss far down, where few look, speaks against an appealing item
    less than one at the top.
    """
    curve = PositionCurve.of(placements)
    shown = placements.filter(pl.col("user_id").is_not_null() & ~pl.col("clicked") & ~pl.col("converted"))
    later = shown.join(acted.rename({"time_us": "acted_us"}), on=["user_id", "item_id"])
    taken = later.filter(pl.col("acted_us") >= pl.col("time_us")).select("request_id", "item_id").unique()
    missed = shown.join(taken, on=["request_id", "item_id"], how="anti", maintain_order="left")
    missed = missed.join(curve.appeal, on=["serving_config", "item_id"], how="left", maintain_order="left")
    looked = pl.DataFrame(
        {"position": np.arange(1, len(curve.examined) + 1, dtype=np.int32), "examined": curve.examined}
    )
    missed = missed.join(looked, on="position", how="left", maintain_order="left")
    weight = (1 - pl.col("appeal")) / (1 - pl.col("examined") * pl.col("appeal"))
    return missed.select(
        "user_id",
        "item_id",
        pl.from_epoch("time_us", time_unit="us").dt.replace_time_zone("UTC").alias("timestamp"),
        "position",
        weight.cast(pl.Float32).alias("weight"),
    )


def _fitted(rows: Int64, places: Int64, n: Float64, hits: Float64) -> tuple[Float64, Float64]:
    """examined by place, NaN where nothing was shown, and appeal by row; from sights ``n`` and clicks ``hits`` (R,)."""
    n_rows, n_places = int(rows.max()) + 1, int(places.max()) + 1
    seen, sights = np.bincount(places, n, n_places), np.bincount(rows, n, n_rows)
    mean, first, misses = hits.sum() / n.sum(), int(places.min()), n - hits
    examined = np.where(seen > 0, 1.0 / (1.0 + np.maximum(np.arange(n_places) - first, 0)), np.nan)
    appeal = np.full(n_rows, max(mean, _CLOSE))
    for _ in range(N_ROUNDS):
        before = examined
        looked, wanted = examined[places], appeal[rows]
        unclicked = np.maximum(1.0 - looked * wanted, _CLOSE)
        # Of the misses: how many were looked at all the same, and how many would have been clicked had they been.
        was_seen = hits + misses * looked * (1.0 - wanted) / unclicked
        would = hits + misses * wanted * (1.0 - looked) / unclicked
        with np.errstate(invalid="ignore"):
            examined = np.bincount(places, was_seen, n_places) / seen
        examined[first] = 1.0
        appeal = (np.bincount(rows, would, n_rows) + _PRIOR * mean) / (sights + _PRIOR)
        if np.nanmax(np.abs(examined - before)) < _CLOSE:
            break
    return np.clip(examined, _CLOSE, 1.0), np.clip(appeal, 0.0, 1.0)
