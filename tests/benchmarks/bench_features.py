"""Rows of features a second on one core: sources, candidates and features of many users, as training makes them.

    python tests/benchmarks/bench_features.py [SNAPSHOTS] [--users N]

Processor time rather than waiting time, so that other work on the machine shows less.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.ask import Ask, resolve
from recsys.features.assemble import assemble
from recsys.model import Snapshot
from recsys.query import Candidates, Query
from recsys.snapshot.store import SnapshotStore

CHUNK = 128
N_WARM_UP = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("snapshots", type=Path, nargs="?", default=Path(".demo/snapshots"))
    parser.add_argument("--users", type=int, default=1_000, metavar="N", help="users asked for (%(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench/features.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    store = SnapshotStore(options.snapshots)
    with threadpool_limits(1):
        snapshot = Snapshot.read(store.open(store.current()))
        figures = measured(snapshot, options.users)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(
        f"{figures['rows']:,.0f} rows of {figures['features']} features for {figures['users']:,.0f} users, one core: "
        f"candidates and features {figures['rows_a_second']:,.0f} rows a second, "
        f"features alone {figures['feature_rows_a_second']:,.0f}"
    )
    return 0


def measured(snapshot: Snapshot, n_users: int) -> dict[str, float]:
    """Figures of ``n_users`` users drawn at random, in chunks of 128."""
    rng = np.random.default_rng(0)
    numbers = rng.choice(len(snapshot.users), min(n_users, len(snapshot.users)), replace=False).astype(np.int32)
    asks = [Ask(at=snapshot.last_event_at + 1, user_id=user_id) for user_id in snapshot.users.ids(numbers)]
    for ask in asks[:N_WARM_UP]:
        snapshot.answer(ask)
    n_rows, retrieving, assembling = 0, 0.0, 0.0
    for start in range(0, len(asks), CHUNK):
        begun = process_time()
        queries, candidates = retrieved(snapshot, asks[start : start + CHUNK])
        between = process_time()
        features, _ = assemble(snapshot.pipeline.families, queries, candidates, snapshot.model.context)
        retrieving += between - begun
        assembling += process_time() - between
        n_rows += len(features)
    return {
        "users": float(len(asks)),
        "rows": float(n_rows),
        "features": float(len(snapshot.feature_names)),
        "rows_a_second": round(n_rows / (retrieving + assembling)),
        "feature_rows_a_second": round(n_rows / assembling),
    }


def retrieved(snapshot: Snapshot, asks: Sequence[Ask]) -> tuple[list[Query], list[Candidates]]:
    """Queries and candidates of ``asks``; every source is asked."""
    queries = [resolve(ask, snapshot).query for ask in asks]
    return queries, [snapshot.pipeline.retrieve(query)[0] for query in queries]


if __name__ == "__main__":
    raise SystemExit(main())
