"""Lists of many users at a time, by recsys-batch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

CONFIGS = {"all": "home", "novel": "discover"}
LIMIT = 10
BATCH_LIMIT_S = 3600.0
# user_id, rank, item_id by task.
Lists = Mapping[str, pl.DataFrame]


def lists_of(target: str, users: pl.DataFrame, at: datetime, work: Path) -> Lists:
    """The ten first of every user in ``users`` (user_id) at ``at``, by task."""
    work.mkdir(parents=True, exist_ok=True)
    asked = work / "users.parquet"
    users.select("user_id").write_parquet(asked)
    lists = {}
    for task, config in CONFIGS.items():
        out = work / f"{task}.parquet"
        command = [sys.executable, "-m", "server.batch_client", "--target", target, "--users", str(asked)]
        command += ["--limit", str(LIMIT), "--serving-config", config, "--at", at.isoformat(), "--out", str(out)]
        subprocess.run(command, check=True, capture_output=True, timeout=BATCH_LIMIT_S)
        lists[task] = pl.read_parquet(out).select("user_id", pl.col("rank").cast(pl.Int64), "item_id")
    return lists
