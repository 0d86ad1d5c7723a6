"""How good lists are, and how sure a difference is. Shares no code with the project's own evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

K = 10
PAIR = ["user_id", "item_id"]
ACCURACY = ("ndcg@10", "recall@10", "recall@100", "hit@10", "mrr")
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """Of one method on one cut. users: user_id and the accuracy of each, sorted by user_id · coverage, hits_coverage:
    share of the items with an event before the cut that were shown in a top 10, and that were right there.
    """

    users: pl.DataFrame
    coverage: float
    hits_coverage: float


def score(top: pl.DataFrame, deep: pl.DataFrame, truth: pl.DataFrame, known_items: pl.Series) -> Score:
    """Of lists (user_id, rank, item_id): ``top`` gives the figures at 10, ``deep`` recall@100 and MRR.

    A user of ``truth`` without a list scores 0, lists of others are left out; an item shown twice counts once, at its
    better place.
    """
    shown = _once(top).filter(pl.col("rank") <= K).join(truth, on="user_id", how="semi")
    right = shown.join(truth, on=PAIR, how="semi")
    deep_right = _once(deep).join(truth, on=PAIR, how="semi")
    gain = 1.0 / (pl.col("rank") + 1).log(2)
    at_10 = right.group_by("user_id").agg(dcg=gain.sum(), n_right=pl.len())
    at_100 = deep_right.group_by("user_id").agg(n_deep=pl.len(), first=pl.col("rank").min())
    best = pl.Series(np.cumsum(1.0 / np.log2(np.arange(2, K + 2))))
    size = pl.col("n").clip(1, K)
    users = (
        truth.group_by("user_id")
        .agg(n=pl.len())
        .join(at_10, on="user_id", how="left")
        .join(at_100, on="user_id", how="left")
        .with_columns(ideal=pl.lit(best).gather(size - 1))
        .select(
            "user_id",
            (pl.col("dcg").fill_null(0.0) / pl.col("ideal")).alias("ndcg@10"),
            (pl.col("n_right").fill_null(0) / size).alias("recall@10"),
            (pl.col("n_deep").fill_null(0) / pl.col("n")).alias("recall@100"),
            (pl.col("n_right").fill_null(0) > 0).cast(pl.Float64).alias("hit@10"),
            (1.0 / pl.col("first")).fill_null(0.0).alias("mrr"),
        )
        .sort("user_id")
    )
    known = known_items.to_frame("item_id")
    n_known = max(known.height, 1)
    n_shown = shown.select("item_id").unique().join(known, on="item_id", how="semi").height
    n_hit = right.select("item_id").unique().join(known, on="item_id", how="semi").height
    return Score(users, n_shown / n_known, n_hit / n_known)


def pooled(scores: list[Score]) -> dict[str, float]:
    """Means over all (window, user) pairs; coverage is the mean over windows."""
    users = pl.concat([one.users for one in scores])
    means = {name: float(users[name].mean() or 0.0) for name in ACCURACY}  # type: ignore[arg-type]
    means["coverage@10"] = float(np.mean([one.coverage for one in scores]))
    means["hits_coverage@10"] = float(np.mean([one.hits_coverage for one in scores]))
    return means


def difference(ours: list[Score], other: list[Score], metric: str, *, n_draws: int = 2000) -> tuple[float, ...]:
    """Mean of ours minus other and its 95 % interval: a paired bootstrap that draws users with all their windows."""
    pairs = [
        one.users.select("user_id", ours=metric).join(two.users.select("user_id", other=metric), on="user_id")
        for one, two in zip(ours, other, strict=True)
    ]
    gaps = pl.concat(pairs).with_columns(gap=pl.col("ours") - pl.col("other"))
    by_user = gaps.group_by("user_id").agg(total=pl.col("gap").sum(), n=pl.len()).sort("user_id")
    totals, counts = by_user["total"].to_numpy(), by_user["n"].to_numpy().astype(np.float64)
    if not len(totals):
        return float("nan"), float("nan"), float("nan")
    means = np.empty(n_draws)
    rng = np.random.default_rng(7)
    for draw in range(n_draws):
        times = np.bincount(rng.integers(len(totals), size=len(totals)), minlength=len(totals))
        means[draw] = (times @ totals) / (times @ counts)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(totals.sum() / counts.sum()), float(low), float(high)


def _once(lists: pl.DataFrame) -> pl.DataFrame:
    return lists.sort("user_id", "rank").unique(PAIR, keep="first", maintain_order=True)
