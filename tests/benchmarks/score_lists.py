"""NDCG@10 of a list file of recsys-batch against the raw events: imports nothing of this project, on purpose.

    python tests/benchmarks/score_lists.py LISTS.parquet EVENTS.parquet --split-at 2017-12-04T05:00 --task all

A second opinion on ``recsys-index evaluate``: another program, the wire in between, the same question. The truth is the
distinct (user, item) pairs of purchases from the split on, of users with an event before it; task ``novel`` leaves out
what a user had before. Reads Parquet with string ids and naive UTC timestamps, as ``recsys-index dataset`` writes them.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime

import numpy as np
import polars as pl

K = 10
PAIR = ["user_id", "item_id"]


def main() -> int:
    """Print one line; 0."""
    parser = argparse.ArgumentParser(description="NDCG@10 of a list file against raw events.")
    parser.add_argument("lists")
    parser.add_argument("events")
    parser.add_argument("--split-at", type=datetime.fromisoformat, required=True)
    parser.add_argument("--task", choices=("all", "novel"), required=True)
    arguments = parser.parse_args()
    events = pl.read_parquet(arguments.events, columns=[*PAIR, "event_type", "timestamp"])
    events = events.with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    is_after = pl.col("timestamp") >= arguments.split_at
    before, after = events.filter(~is_after), events.filter(is_after & (pl.col("event_type") == "purchase"))
    truth = after.select(PAIR).unique().join(before.select("user_id").unique(), on="user_id", how="semi")
    if arguments.task == "novel":
        truth = truth.join(before.filter(pl.col("event_type") == "purchase").select(PAIR).unique(), on=PAIR, how="anti")
    gain = 1 / (pl.col("rank") + 1).log(2)
    lists = pl.read_parquet(arguments.lists).filter(pl.col("rank") <= K)
    dcg = lists.join(truth, on=PAIR, how="semi").group_by("user_id").agg(dcg=gain.sum())
    best = np.cumsum(1 / np.log2(np.arange(2, K + 2)))
    ideal = truth.group_by("user_id").len("n").with_columns(ideal=pl.lit(best).gather(pl.col("n").clip(1, K) - 1))
    scored = ideal.join(dcg, on="user_id", how="left").with_columns(ndcg=pl.col("dcg").fill_null(0) / pl.col("ideal"))
    print(f"{arguments.task}: NDCG@{K} {scored['ndcg'].mean():.4f} over {scored.height:,} users")
    return 0


if __name__ == "__main__":
    sys.exit(main())
