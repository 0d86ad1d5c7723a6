"""What live state is worth: four weeks of purchases written to a server whose snapshot ends before them.

    python tests/benchmarks/bench_replay.py [--data DIR] [--work DIR] [--json FILE]

Complete Journey, cut at ``--split-at`` (2017-12-04T05:00Z). Two snapshots: a stale one that saw nothing of the four
weeks before the cut, not even the products first sold in or after them, and a fresh one rebuilt at the cut. The four
weeks are then written through WriteEvents, their new products through UpsertItems, and everybody is asked again by
recsys-batch once the server has counted the events into its item statistics, which a server does every minute.

- Recovery: (live - stale) / (fresh - stale) of NDCG@10, with the interval of a paired bootstrap over users.
- Cold start: known users' latest 0, 1, 3 and 10 purchases before the cut under ids that no snapshot knows, against what
  most people bought in the four weeks before the cut.
- New items: how many right answers were products first sold in the four weeks, live against fresh.

Snapshots are kept in ``--work`` and used again; ``--no-encoder`` leaves the new products without vectors.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from replay.asking import Lists, lists_of
from replay.figures import cold_start, new_items, recovery
from replay.writing import wait_until_counted, write_events, write_items
from running_encoder import running_encoder
from running_server import running_server

WEEKS = 4
COLD_EVENTS = (0, 1, 3, 10)
REBUILD_LIMIT_S = 7200.0


@dataclass(frozen=True, slots=True)
class Replay:
    """The tables, the cut, and when the stale snapshot ends; events are purchases."""

    events: pl.DataFrame
    items: pl.DataFrame
    cut: datetime

    @property
    def start(self) -> datetime:
        """Where the stale snapshot ends."""
        return self.cut - timedelta(weeks=WEEKS)

    @property
    def before(self) -> pl.DataFrame:
        """What the fresh snapshot saw."""
        return self.events.filter(pl.col("timestamp") < self.cut)

    @property
    def written(self) -> pl.DataFrame:
        """What is written, oldest first."""
        return self.before.filter(pl.col("timestamp") >= self.start).sort("timestamp", "event_id")

    @property
    def known_items(self) -> pl.DataFrame:
        """Items sold before the stale snapshot ends."""
        return self.items.join(
            self.events.filter(pl.col("timestamp") < self.start).select("item_id").unique(), on="item_id", how="semi"
        )

    @property
    def new_items(self) -> pl.DataFrame:
        """Items first sold in the weeks that are written."""
        return self.items.join(self.written.select("item_id").unique(), on="item_id", how="semi").join(
            self.known_items.select("item_id"), on="item_id", how="anti"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file."""
    options = _parser().parse_args(arguments)
    events = pl.read_parquet(options.data / "events.parquet").filter(pl.col("event_type") == "purchase")
    replay = Replay(events, pl.read_parquet(options.data / "items.parquet"), options.split_at)
    stale, fresh = _snapshots(replay, options)
    users = replay.before.select("user_id").unique().sort("user_id")
    with ExitStack() as stack:
        encoder = None if options.no_encoder else stack.enter_context(running_encoder())
        found, written = _ask(replay, stale, fresh, users, options.work, encoder)
    report = {
        "split_at": options.split_at.isoformat(),
        "weeks": WEEKS,
        "written": written,
        "recovery": recovery(found, replay.events, replay.cut),
        "cold_start": cold_start(found, replay.events, replay.cut, COLD_EVENTS),
        "new_items": new_items(found, replay.events, replay.new_items, replay.cut),
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    return 0


def _ask(
    replay: Replay, stale: Path, fresh: Path, users: pl.DataFrame, work: Path, encoder: str | None
) -> tuple[Mapping[str, Lists], Mapping[str, float]]:
    found: dict[str, Lists] = {}
    with running_server(fresh) as server:
        found["fresh"] = lists_of(server.target, users, replay.cut, work)
    state = work / "state"
    shutil.rmtree(state, ignore_errors=True)
    flags = ["--state", str(state), "--statistics-s", "1", *(["--encoder", encoder] if encoder else [])]
    with running_server(stale, flags=flags) as server:
        found["stale"] = lists_of(server.target, users, replay.cut, work)
        events_s = write_events(server.target, replay.written)
        n_written = replay.written.height
        counted_s = wait_until_counted(server, n_written)
        found["events"] = lists_of(server.target, users, replay.cut, work)
        items_s = write_items(server.target, replay.new_items, until_found=encoder is not None)
        found["live"] = lists_of(server.target, users, replay.cut, work)
        for n_events in COLD_EVENTS:
            write_events(server.target, events := renamed(replay, n_events))
            n_written += events.height
            wait_until_counted(server, n_written)
            asked = users.select(pl.format("cold-{}-{}", pl.lit(n_events), "user_id").alias("user_id"))
            found[f"cold-{n_events}"] = lists_of(server.target, asked, replay.cut, work)
    counts = {"n_events": replay.written.height, "events_s": events_s, "n_items": replay.new_items.height}
    return found, {**counts, "counted_s": counted_s, "items_s": items_s}


def renamed(replay: Replay, n_events: int) -> pl.DataFrame:
    """The latest ``n_events`` purchases of everybody before the cut, as those of somebody new."""
    latest = replay.before.sort("timestamp", "event_id", descending=True)
    return (
        latest.filter(pl.int_range(pl.len()).over("user_id") < n_events)
        .with_columns(
            pl.format("cold-{}-{}", pl.lit(n_events), "user_id").alias("user_id"),
            pl.format("cold-{}-{}", pl.lit(n_events), "event_id").alias("event_id"),
        )
        .sort("timestamp", "event_id")
    )


def _snapshots(replay: Replay, options: argparse.Namespace) -> tuple[Path, Path]:
    """The stale and the fresh one; made where they are missing."""
    known = options.work / "known"
    stale, fresh = options.work / "stale", options.fresh or options.work / "fresh"
    if not (stale / "CURRENT").exists():
        known.mkdir(parents=True, exist_ok=True)
        replay.known_items.write_parquet(known / "items.parquet")
        replay.events.write_parquet(known / "events.parquet")
        users = options.data / "users.parquet"
        if users.exists():
            shutil.copy(users, known / "users.parquet")
        _rebuild(known, stale, replay.start, options.cache)
    if not (fresh / "CURRENT").exists():
        _rebuild(options.data, fresh, replay.cut, options.cache)
    return stale, fresh


def _rebuild(data: Path, snapshots: Path, until: datetime, cache: Path) -> None:
    command = [sys.executable, "-m", "index.cli", "rebuild", "--data", str(data), "--snapshots", str(snapshots)]
    command += ["--until", until.isoformat(), "--cache", str(cache)]
    subprocess.run(command, check=True, timeout=REBUILD_LIMIT_S)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What four weeks of live events and new items are worth.")
    parser.add_argument("--data", type=Path, default=Path(".demo/data"), metavar="DIR")
    parser.add_argument("--work", type=Path, default=Path(".demo/replay"), metavar="DIR", help="snapshots and lists")
    parser.add_argument("--fresh", type=Path, metavar="DIR", help="snapshots rebuilt at the cut, where there are any")
    parser.add_argument("--cache", type=Path, default=Path(".demo/embeddings"), metavar="DIR")
    parser.add_argument("--split-at", type=_instant, default=datetime(2017, 12, 4, 5, tzinfo=UTC), metavar="ISO")
    parser.add_argument("--no-encoder", action="store_true", help="new products stay without vectors")
    parser.add_argument("--json", type=Path, default=Path("bench/replay.json"), metavar="FILE")
    return parser


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
