"""What explanations cost over a real wire, as ratios of the latency without them, measured in one run in turns.

    python tests/benchmarks/bench_explain.py [SNAPSHOTS] [--calls N]

The same users are asked with NONE, SUMMARY and FULL one after the other, so that a busy machine slows all three. Exits
with 1 when a summary costs more than 15 % on top of NONE, or FULL more than ten times NONE, by the medians.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import numpy as np
from running_server import running_server

from protos.recommender.v1.recommendation_service_pb2 import Explain, RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub

PAGE_SIZE = 20
N_WARM_UP = 20
CALL_LIMIT_S = 30.0
CONFIGS = ("home", "discover")
KINDS = ("NONE", "SUMMARY", "FULL")
MOST = {"SUMMARY": 1.15, "FULL": 10.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file of figures; 1 when an explanation costs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("snapshots", type=Path, nargs="?", default=Path(".demo/snapshots"))
    parser.add_argument("--json", type=Path, default=Path("bench/explain.json"), metavar="FILE")
    parser.add_argument(
        "--calls", type=int, default=300, metavar="N", help="timed rounds a serving config (%(default)s)"
    )
    options = parser.parse_args(arguments)
    with running_server(options.snapshots) as server, grpc.insecure_channel(server.target) as channel:
        figures = {config: measured(channel, config, options.calls) for config in CONFIGS}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    dear = [f"{config} {kind}" for config in CONFIGS for kind, most in MOST.items() if figures[config][kind] > most]
    print(f"too dear: {', '.join(dear)}" if dear else "all within their limits")
    return 1 if dear else 0


def measured(channel: grpc.Channel, config: str, n_calls: int) -> dict[str, Any]:
    """Median milliseconds without an explanation; medians over users of the others as multiples of the same user's."""
    users = SnapshotServiceStub(channel).ListUserIds(ListUserIdsRequest(page_size=10_000), timeout=CALL_LIMIT_S)
    step = max(1, len(users.user_ids) // (n_calls + N_WARM_UP))
    recommend = RecommendationServiceStub(channel).Recommend
    seconds = np.empty((n_calls + N_WARM_UP, len(KINDS)))
    for row, times in enumerate(seconds):
        user_id = users.user_ids[row * step % len(users.user_ids)]
        # Whoever comes second finds warm caches: they take turns at it.
        for column in np.roll(np.arange(len(KINDS)), row):
            explain = Explain.Value(f"EXPLAIN_{KINDS[column]}")
            request = RecommendRequest(user_id=user_id, serving_config=config, page_size=PAGE_SIZE, explain=explain)
            started = perf_counter()
            recommend(request, timeout=CALL_LIMIT_S)
            times[column] = perf_counter() - started
    counted = seconds[N_WARM_UP:]
    medians = np.median(counted / counted[:, :1], axis=0)
    ratios = {kind: round(float(one), 3) for kind, one in zip(KINDS, medians, strict=True)}
    return {"calls": n_calls, "none_ms": round(float(np.median(counted[:, 0])) * 1e3, 3), **ratios}


if __name__ == "__main__":
    sys.exit(main())
