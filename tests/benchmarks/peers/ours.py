"""Our lists, as an adopter gets them: rebuild, a server, the batch client; each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import polars as pl
from peers.tables import iso
from running_server import running_server

CONFIGS = {"all": "home", "novel": "discover"}
LIMITS = {"top": 10, "deep": 100}
REBUILD_LIMIT_S = 3600.0
BATCH_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class OurLists:
    """top: lists of 10 · deep: lists of 100, each by task · version: the snapshot's · rebuild_s, batch_s."""

    top: Mapping[str, pl.DataFrame]
    deep: Mapping[str, pl.DataFrame]
    version: str
    rebuild_s: float
    batch_s: float


def our_lists(data: Path, users: Mapping[str, list[str]], *, start: int, config: Path | None = None) -> OurLists:
    """Lists of ``users`` (by task) from a snapshot that saw nothing from ``start`` (microseconds) on.

    Raises RuntimeError with what the command said when a rebuild, the server or a batch fails.
    """
    with tempfile.TemporaryDirectory(prefix="bench-quality-") as folder:
        snapshots = Path(folder) / "snapshots"
        command = ["index.cli", "rebuild", "--data", str(data), "--snapshots", str(snapshots), "--until", iso(start)]
        rebuild_s = _run(command + (["--config", str(config)] if config else []), REBUILD_LIMIT_S)
        lists: dict[str, dict[str, pl.DataFrame]] = {"top": {}, "deep": {}}
        batch_s = 0.0
        with running_server(snapshots) as server:
            for task, wanted in users.items():
                asked = Path(folder) / "users.parquet"
                pl.DataFrame({"user_id": wanted}, schema={"user_id": pl.String}).write_parquet(asked)
                for depth, limit in LIMITS.items():
                    out = Path(folder) / f"{task}-{depth}.parquet"
                    command = ["server.batch_client", "--target", server.target, "--users", str(asked)]
                    command += ["--limit", str(limit), "--serving-config", CONFIGS[task], "--out", str(out)]
                    batch_s += _run(command, BATCH_LIMIT_S)
                    lists[depth][task] = pl.read_parquet(out).select(
                        "user_id", pl.col("rank").cast(pl.Int64), "item_id"
                    )
            return OurLists(lists["top"], lists["deep"], server.version, rebuild_s, batch_s)


def _run(command: list[str], limit_s: float) -> float:
    """Seconds that ``python -m command`` took."""
    started = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=limit_s, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {' / '.join(said)}")
    # Lists that lack a source or the ranking are not what is to be measured.
    if degraded := [line for line in done.stdout.splitlines() if "degraded" in line]:
        raise RuntimeError(f"{command[0]}: {' / '.join(degraded)}")
    return perf_counter() - started
