"""From lists to figures: shares recovered, cold start against popularity, hits of new items; paired bootstraps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from replay.asking import LIMIT, Lists

N_DRAWS = 2000
PAIR = ["user_id", "item_id"]
TASKS = ("all", "novel")
Values = npt.NDArray[np.float64]
Figures = dict[str, object]


def truth_of(events: pl.DataFrame, cut: datetime, task: str) -> pl.DataFrame:
    """Distinct user_id, item_id bought from ``cut`` on by users with a purchase before it."""
    before, after = events.filter(pl.col("timestamp") < cut), events.filter(pl.col("timestamp") >= cut)
    truth = after.select(PAIR).unique().join(before.select("user_id").unique(), on="user_id", how="semi")
    return truth.join(before.select(PAIR).unique(), on=PAIR, how="anti") if task == "novel" else truth


def ndcg(lists: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """user_id, ndcg of everybody in ``truth``, sorted by user_id."""
    best = pl.Series(np.cumsum(1 / np.log2(np.arange(2, LIMIT + 2))))
    right = lists.filter(pl.col("rank") <= LIMIT).join(truth, on=PAIR, how="semi")
    gained = right.group_by("user_id").agg(dcg=(1 / (pl.col("rank") + 1).log(2)).sum())
    return (
        truth.group_by("user_id")
        .agg(n=pl.len())
        .join(gained, on="user_id", how="left")
        .select("user_id", ndcg=pl.col("dcg").fill_null(0.0) / pl.lit(best).gather(pl.col("n").clip(1, LIMIT) - 1))
        .sort("user_id")
    )


def recovery(found: Mapping[str, Lists], events: pl.DataFrame, cut: datetime) -> Figures:
    """By task: NDCG@10 of all lists, the gap between fresh and stale, and the share of it that live ones recover."""
    figures: Figures = {}
    for task in TASKS:
        truth = truth_of(events, cut, task)
        values = {
            name: ndcg(found[name][task], truth)["ndcg"].to_numpy() for name in ("stale", "events", "live", "fresh")
        }
        weights = _weights(len(values["stale"]))
        means = {name: weights @ of_users for name, of_users in values.items()}
        gap = means["fresh"] - means["stale"]
        figures[task] = {
            "n_users": len(values["stale"]),
            "ndcg@10": {name: float(of_users.mean()) for name, of_users in values.items()},
            "gap": _told(float(values["fresh"].mean() - values["stale"].mean()), gap),
            "live_minus_stale": _told(
                float(values["live"].mean() - values["stale"].mean()), means["live"] - means["stale"]
            ),
            "recovered": {
                name: _told(
                    float((values[name] - values["stale"]).mean() / (values["fresh"] - values["stale"]).mean()),
                    (means[name] - means["stale"]) / gap,
                )
                for name in ("events", "live")
            },
            "gap_is_noise": bool(np.quantile(gap, 0.025) <= 0 <= np.quantile(gap, 0.975)),
        }
    return figures


def cold_start(found: Mapping[str, Lists], events: pl.DataFrame, cut: datetime, counts: Sequence[int]) -> Figures:
    """By task and number of events: NDCG@10 beside popularity of the last four weeks, and their difference.

    ``novel`` counts what the user never bought, though the server knows but some of that.
    """
    figures: Figures = {}
    lately = events.filter((pl.col("timestamp") >= cut - timedelta(weeks=4)) & (pl.col("timestamp") < cut))
    popular = (
        lately.select(PAIR)
        .unique()
        .group_by("item_id")
        .agg(n=pl.len())
        .sort("n", "item_id", descending=[True, False])
        .head(LIMIT)
        .with_row_index("rank", offset=1)
        .with_columns(pl.col("rank").cast(pl.Int64))
    )
    for task in TASKS:
        truth = truth_of(events, cut, task)
        everybody = truth.select("user_id").unique().join(popular.select("rank", "item_id"), how="cross")
        base = ndcg(everybody, truth)["ndcg"].to_numpy()
        rows: Figures = {"popular": float(base.mean())}
        for n_events in counts:
            lists = found[f"cold-{n_events}"][task].with_columns(
                pl.col("user_id").str.strip_prefix(f"cold-{n_events}-")
            )
            ours = ndcg(lists, truth)["ndcg"].to_numpy()
            rows[str(n_events)] = {
                "ndcg@10": float(ours.mean()),
                "over_popular": _told(float((ours - base).mean()), _weights(len(base)) @ (ours - base)),
            }
        figures[task] = rows
    return figures


def new_items(found: Mapping[str, Lists], events: pl.DataFrame, items: pl.DataFrame, cut: datetime) -> Figures:
    """By task: right answers that are one of ``items``, places that they took, live and fresh."""
    figures: Figures = {}
    new = items.select("item_id")
    for task in TASKS:
        truth = truth_of(events, cut, task).join(new, on="item_id", how="semi")
        counts = {}
        for name in ("stale", "live", "fresh"):
            shown = found[name][task].filter(pl.col("rank") <= LIMIT).join(new, on="item_id", how="semi")
            counts[name] = {"shown": shown.height, "hits": shown.join(truth, on=PAIR, how="semi").height}
        fresh_hits = counts["fresh"]["hits"]
        figures[task] = {
            **counts,
            "share_of_fresh_hits": counts["live"]["hits"] / fresh_hits if fresh_hits else None,
        }
    return figures


def _weights(n_users: int) -> Values:
    """(N_DRAWS, n_users): how often each draw has each user, divided by how many it has."""
    rng = np.random.default_rng(7)
    draws = rng.integers(n_users, size=(N_DRAWS, n_users))
    counts = np.zeros((N_DRAWS, n_users))
    np.add.at(counts, (np.arange(N_DRAWS)[:, None], draws), 1.0)
    return counts / n_users


def _told(value: float, draws: Values) -> dict[str, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return {"value": value, "low": float(low), "high": float(high)}
