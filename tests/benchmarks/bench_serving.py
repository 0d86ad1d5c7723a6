"""What an answer costs beside an echo of the same bytes, users a second in batch, memory and start-up of a worker.

Everything is measured in one run, calls of the two servers taking turns, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import numpy as np
from echo_server import SERVICE
from running_server import Memory, RunningServer, running_server

from protos.recommender.v1.recommendation_service_pb2 import Explain, RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub

PAGE_SIZE = 20
BATCH_LIMIT = 10
N_WARM_UP = 50
CALL_LIMIT_S = 10.0
BATCH_RUN_LIMIT_S = 600.0
_TOTALS = re.compile(r"^(\d+) users, (\d+) rows .* in ([\d.]+) s", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file of figures; 1 when a call or a batch failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("snapshots", type=Path, nargs="?", default=Path(".demo/snapshots"))
    parser.add_argument("--json", type=Path, default=Path("bench/serving.json"), metavar="FILE")
    parser.add_argument("--calls", type=int, default=2000, metavar="N", help="timed calls, default 2000")
    parser.add_argument(
        "--server-python", default=sys.executable, metavar="FILE", help="interpreter with the server's packages only"
    )
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {"machine": {"cpus": os.cpu_count(), "python": platform.python_version()}}
    with running_server(options.snapshots, python=options.server_python) as server:
        figures["snapshot"] = server.version
        figures["start_to_serving_s"] = {"1": round(server.start_s, 2)}
        figures["memory_mb"] = {"after_start": _megabytes(server)}
        figures |= _single_calls(server, options.calls)
        figures["batch"] = {"1": _batch(server)}
        figures["memory_mb"]["after_load"] = _megabytes(server)
    with running_server(options.snapshots, n_workers=2, python=options.server_python) as server:
        figures["start_to_serving_s"]["2"] = round(server.start_s, 2)
        figures["batch"]["2"] = _batch(server)
        figures["memory_mb"]["two_workers_after_load"] = _megabytes(server)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    return 0


def _single_calls(server: RunningServer, n_calls: int) -> dict[str, Any]:
    """p50 and p99 of Recommend and of the echo, one caller, explain off, known users in turn."""
    with grpc.insecure_channel(server.target) as channel:
        users = SnapshotServiceStub(channel).ListUserIds(ListUserIdsRequest(page_size=10_000), timeout=CALL_LIMIT_S)
        step = max(1, len(users.user_ids) // (n_calls + N_WARM_UP))
        asked = [users.user_ids[i * step % len(users.user_ids)] for i in range(n_calls + N_WARM_UP)]
        requests = [RecommendRequest(user_id=user, page_size=PAGE_SIZE, explain=Explain.EXPLAIN_NONE) for user in asked]
        recommend = RecommendationServiceStub(channel).Recommend
        answer = recommend(requests[0], timeout=CALL_LIMIT_S)
        with _echo(answer.SerializeToString()) as target, grpc.insecure_channel(target) as echo_channel:
            echo = echo_channel.unary_unary(
                f"/{SERVICE}/Recommend",
                request_serializer=RecommendRequest.SerializeToString,
                response_deserializer=type(answer).FromString,
            )
            assert echo(requests[0], timeout=CALL_LIMIT_S) == answer
            seconds = np.array([[_timed(call, request) for call in (recommend, echo)] for request in requests])
    recommended, echoed = (_percentiles(column) for column in seconds[N_WARM_UP:].T)
    return {
        "single_caller": {
            "calls": n_calls,
            "distinct_users": len(set(asked)),
            "response_bytes": answer.ByteSize(),
            "recommend_ms": recommended,
            "echo_ms": echoed,
            "ratio_p50": round(recommended["p50"] / echoed["p50"], 2),
        }
    }


def _timed(call: Any, request: RecommendRequest) -> float:
    started = perf_counter()
    call(request, timeout=CALL_LIMIT_S)
    return perf_counter() - started


@contextmanager
def _echo(answer: bytes) -> Iterator[str]:
    """HOST:PORT of a process that echoes ``answer``, with the environment a worker gets."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("echo_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **one_thread},
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(answer).to_bytes(8, "big") + answer)
        process.stdin.flush()
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.communicate(timeout=CALL_LIMIT_S)


def _batch(server: RunningServer) -> dict[str, float]:
    """``recsys-batch`` over all users as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--target", server.target, "--users", "all", "--limit", str(BATCH_LIMIT)]
        done = subprocess.run(
            [sys.executable, "-m", "server.batch_client", *words, "--out", f"{folder}/lists.parquet"],
            capture_output=True,
            text=True,
            timeout=BATCH_RUN_LIMIT_S,
            check=False,
        )
    found = _TOTALS.search(done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"recsys-batch failed with {done.returncode}: {done.stderr}")
    n_users, n_rows, seconds = int(found[1]), int(found[2]), float(found[3])
    return {"users": n_users, "rows": n_rows, "seconds": seconds, "users_per_s": round(n_users / seconds, 1)}


def _percentiles(seconds: np.ndarray) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(seconds, q)) * 1000, 3) for q in (50, 90, 99)}


def _megabytes(server: RunningServer) -> list[dict[str, float]]:
    """One entry a worker."""
    return [
        {name.replace("bytes", "mb"): round(value / 1e6, 1) for name, value in asdict(Memory.of(process)).items()}
        for process in server.workers
    ]


if __name__ == "__main__":
    sys.exit(main())
