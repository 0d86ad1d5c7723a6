"""RecTools' two-stage model beside ours: it needs other versions of NumPy and pandas, so it runs in its own venv."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from peers.history import History
from peers.lists import best_lists
from peers.methods import popular

PROGRAM = Path(__file__).with_name("rectools_two_stage.py")
LIMIT_S = 3600.0
WEEK_S = 7 * 86_400
# RecTools splits by calendar time; only distances to the newest row matter.
EPOCH_S = 1_700_000_000


def rectools_lists(
    history: History, users: Mapping[str, list[str]], *, python: Path, with_features: bool, with_repeats: bool
) -> tuple[dict[str, pl.DataFrame], float]:
    """Lists of ``users`` by task, and the seconds that fitting and recommending took.

    Users without an event in ``history``, for whom RecTools has no answer, are given what is popular.
    with_repeats: whether anything is taken twice; else the lists for ``all`` leave out what a user has, too.
    with_features: whether the ranker is given features of the history (counts, recency) beside scores and ranks.
    Raises RuntimeError with the last lines of what it said when it fails.
    """
    with tempfile.TemporaryDirectory(prefix="bench-quality-") as name:
        folder = Path(name)
        at = ((EPOCH_S - pl.col("weeks") * WEEK_S) * 1_000_000).cast(pl.Int64).cast(pl.Datetime("us"))
        history.rows.select("user", "item", "weight", at=at).write_parquet(folder / "events.parquet")
        rows, columns = history.owned.nonzero()
        pl.DataFrame({"user": rows, "item": columns}).write_parquet(folder / "owned.parquet")
        asked = {task: task if with_repeats else "novel" for task in users}
        for task in set(asked.values()):
            wanted = sorted({user for one, other in asked.items() if other == task for user in users[one]})
            pl.DataFrame({"user": history.numbers_of(wanted)}).write_parquet(folder / f"users-{task}.parquet")
        command = [str(python), str(PROGRAM), str(folder), *sorted(set(asked.values()))]
        command += ["--features"] if with_features else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode:
            raise RuntimeError(f"RecTools ended with {done.returncode}: {' / '.join(done.stderr.splitlines()[-5:])}")
        lists = {}
        for task, wanted in users.items():
            found = _read(folder / f"lists-{asked[task]}.parquet", history)
            silent = sorted(set(wanted) - set(found["user_id"].unique()))
            fallback = best_lists(history, popular(history), silent)[asked[task] == "novel"]
            lists[task] = pl.concat([found, fallback])
        return lists, float(json.loads((folder / "seconds.json").read_text()))


def _read(path: Path, history: History) -> pl.DataFrame:
    lists = pl.read_parquet(path)
    return pl.DataFrame(
        {
            "user_id": history.user_ids.gather(lists["user"]),
            "rank": lists["rank"].cast(pl.Int64),
            "item_id": history.item_ids.gather(lists["item"]),
        }
    )
