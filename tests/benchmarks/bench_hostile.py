"""Hostile requests by the thousand: how many were answered unfairly, the slowest, and what the worker's memory grew by.

Run as ``python -m tests.benchmarks.bench_hostile``: the requests are those of the test-suite. It works on a copy of the
snapshot, for activations are among them. Most of its time goes into making requests; when it is interrupted it judges
what it has sent.
"""

from __future__ import annotations

import argparse
import heapq
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, Phase, given, seed, settings

from protos.recommender.v1.recommendation_service_pb2 import BatchRecommendRequest, RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import GetServingRequest, ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.snapshot.store import SnapshotStore
from tests.benchmarks.running_server import Memory, running_server
from tests.server.hostile import FAIR, Hostile, hostile_calls, told

CALL_LIMIT_S = 60.0
# Memory is compared from here on: caches and allocators have then seen a bit of everything.
SETTLED_SHARE = 0.2
N_SLOWEST = 10
N_TOLD = 20
# No answer may take longer, but for what is much work by its nature: a batch has as long again for each of so many
# requests in it, and an activation reads a whole snapshot.
LONGEST_S = 1.0
BATCH_PART = 64
ACTIVATION = "/recommender.v1.SnapshotService/ActivateSnapshot"
BATCH = "/recommender.v1.RecommendationService/BatchRecommend"
# Of what the worker held when it had settled.
MOST_GROWN_SHARE = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every answer was fair and in time and memory stayed flat, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("snapshots", type=Path, nargs="?", default=Path(".demo/snapshots"))
    parser.add_argument("--json", type=Path, default=Path("bench/hostile.json"), metavar="FILE")
    parser.add_argument("--calls", type=int, default=20_000, metavar="N", help="default 20000")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="the same calls again, default 7")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = _copied(options.snapshots, Path(folder) / "snapshots")
        with running_server(root) as server, grpc.insecure_channel(server.target) as channel:
            figures = _sent(channel, server.workers[0], options)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    is_flat = figures["grown_bytes_since_settled"] <= MOST_GROWN_SHARE * figures["memory"]["settled"]["rss_bytes"]
    return 0 if not figures["unfair"] and not figures["late"] and is_flat else 1


def _sent(channel: grpc.Channel, worker: int, options: argparse.Namespace) -> dict[str, Any]:
    calls = _calls_for(channel)
    codes: Counter[str] = Counter()
    unfair: list[str] = []
    late: list[str] = []
    slowest: list[tuple[float, str, str]] = []
    seconds: list[float] = []
    memory = [Memory.of(worker)]

    @seed(options.seed)
    @settings(
        max_examples=options.calls,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls)
    def send(call: Hostile) -> None:
        started = perf_counter()
        code = told(channel, call, timeout_s=CALL_LIMIT_S)
        took = perf_counter() - started
        seconds.append(took)
        codes[f"{call.path.rpartition('/')[2]} {code.name}"] += 1
        if code not in FAIR:
            unfair.append(f"{code.name} {call!r}")
        if took > _longest_s(call):
            late.append(f"{took:.2f} s {code.name} {call!r}")
        heapq.heappush(slowest, (took, code.name, repr(call)[:200]))
        if len(slowest) > N_SLOWEST:
            heapq.heappop(slowest)
        if len(seconds) == int(SETTLED_SHARE * options.calls):
            memory.append(Memory.of(worker))
        if len(seconds) % max(1, options.calls // N_TOLD) == 0:
            rss_mb = Memory.of(worker).rss_bytes / 1e6
            told_so_far = f"{len(seconds)} of {options.calls}, {len(unfair)} unfair, {len(late)} late, {rss_mb:.0f} MB"
            print(told_so_far, file=sys.stderr, flush=True)

    try:
        send()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    memory += [Memory.of(worker)] * (3 - len(memory))
    milliseconds = np.array(seconds) * 1e3
    return {
        "calls": len(seconds),
        "seed": options.seed,
        "codes": dict(sorted(codes.items())),
        "unfair": unfair[:100],
        "late": late[:100],
        "ms": {f"p{q}": round(float(np.percentile(milliseconds, q)), 2) for q in (50, 99, 100)},
        "slowest": [
            {"ms": round(took * 1e3, 1), "code": code, "call": call}
            for took, code, call in sorted(slowest, reverse=True)
        ],
        "memory": dict(zip(("at_start", "settled", "at_end"), map(asdict, memory), strict=True)),
        "grown_bytes_since_settled": memory[-1].rss_bytes - memory[1].rss_bytes,
    }


def _longest_s(call: Hostile) -> float:
    """How long the answer to ``call`` may take."""
    if call.path == ACTIVATION:
        return CALL_LIMIT_S
    if call.path != BATCH:
        return LONGEST_S
    try:
        n_requests = len(BatchRecommendRequest.FromString(call.body).requests)
    except DecodeError:
        n_requests = 0
    return LONGEST_S * (1 + n_requests / BATCH_PART)


def _copied(source: Path, root: Path) -> Path:
    """``root`` with the current snapshot of ``source``, published."""
    version = SnapshotStore(source).current()
    shutil.copytree(source / version, root / version)
    SnapshotStore(root).publish(version)
    return root


def _calls_for(channel: grpc.Channel) -> Any:
    """Hostile calls that know some of the server's users, items, names and tokens."""
    snapshots, recommendations = SnapshotServiceStub(channel), RecommendationServiceStub(channel)
    users = snapshots.ListUserIds(ListUserIdsRequest(page_size=5))
    serving = snapshots.GetServing(GetServingRequest())
    answer = recommendations.Recommend(RecommendRequest(user_id=users.user_ids[0]))
    known = [*users.user_ids, *(result.item_id for result in answer.results), serving.snapshot_version, "home", "../.."]
    return hostile_calls(known, [answer.next_page_token, users.next_page_token])


if __name__ == "__main__":
    raise SystemExit(main())
