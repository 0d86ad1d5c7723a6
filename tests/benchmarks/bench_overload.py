"""Five times as many calls as a server can answer, for a minute: what becomes of those let in, and of the others.

Callers come as they please (a Poisson process that does not wait for answers). The capacity is measured first, by
as many callers in turns as the server has threads; so is the latency of one caller alone, before and afterwards.

Where there are two cores or more the callers have the last one to themselves and the server the others: what callers
cost would otherwise be taken for the server's. --shared lets the kernel decide.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import grpc.aio
import numpy as np
from google.rpc import error_details_pb2
from grpc_status.rpc_status import from_call
from running_server import running_server

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub

LONGEST_WAIT_MS = 20.0
LIMIT = 3.0
CALL_LIMIT_S = 30.0
N_ALONE = 1000
CAPACITY_S = 10.0


@dataclass(slots=True)
class Seen:
    """Seconds of answered calls and of refused ones, codes of all, refusals without RetryInfo."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    n_without_retry: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when calls let in and those afterwards kept their latency and all others were told when to come again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("snapshots", type=Path, nargs="?", default=Path(".demo/snapshots"))
    parser.add_argument("--json", type=Path, default=Path("bench/overload.json"), metavar="FILE")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="how long, default 60")
    parser.add_argument("--times", type=float, default=5.0, metavar="N", help="times the capacity, default 5")
    parser.add_argument("--longest-wait-ms", default=str(LONGEST_WAIT_MS), metavar="MS|off")
    parser.add_argument("--shared", action="store_true", help="callers and server share all cores")
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    is_apart = len(cores) > 1 and not options.shared
    if is_apart:
        os.sched_setaffinity(0, cores[:-1])  # the server's processes inherit it
    with running_server(options.snapshots, flags=["--longest-wait-ms", options.longest_wait_ms]) as server:
        if is_apart:
            os.sched_setaffinity(0, cores[-1:])
        figures = asyncio.run(_run(server.target, options))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    is_kept = figures["answered_p99_ratio"] <= LIMIT and figures["afterwards_p99_ratio"] <= LIMIT
    is_told = set(figures["codes"]) <= {"OK", "RESOURCE_EXHAUSTED"} and not figures["refused_without_retry_info"]
    return 0 if is_kept and is_told else 1


async def _run(target: str, options: argparse.Namespace) -> dict[str, Any]:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = RecommendationServiceStub(channel)
        users = (await SnapshotServiceStub(channel).ListUserIds(ListUserIdsRequest(page_size=500))).user_ids
        await _in_turns(stub, users, 1, n_calls=50)
        alone = await _in_turns(stub, users, 1, n_calls=N_ALONE)
        capacity = len((await _in_turns(stub, users, 2, seconds=CAPACITY_S)).answered) / CAPACITY_S
        crowd = await _as_they_please(stub, users, options.times * capacity, options.seconds)
        afterwards = await _in_turns(stub, users, 1, n_calls=N_ALONE)
    p99 = float(np.quantile(alone.answered, 0.99))
    return {
        "longest_wait_ms": options.longest_wait_ms,
        "are_cores_shared": options.shared,
        "capacity_calls_per_s": round(capacity, 1),
        "offered_calls_per_s": round(sum(crowd.codes.values()) / options.seconds, 1),
        "answered_calls_per_s": round(len(crowd.answered) / options.seconds, 1),
        "codes": dict(crowd.codes),
        "alone_ms": _quantiles(alone.answered),
        "answered_ms": _quantiles(crowd.answered),
        "refused_ms": _quantiles(crowd.refused),
        "afterwards_ms": _quantiles(afterwards.answered),
        "answered_p99_ratio": round(float(np.quantile(crowd.answered, 0.99)) / p99, 2),
        "afterwards_p99_ratio": round(float(np.quantile(afterwards.answered, 0.99)) / p99, 2),
        "refused_without_retry_info": crowd.n_without_retry,
    }


async def _in_turns(
    stub: RecommendationServiceStub, users: Sequence[str], n_callers: int, *, n_calls: int = 0, seconds: float = 0.0
) -> Seen:
    """``n_callers`` who each ask again when answered: ``n_calls`` each, or for ``seconds``."""
    seen = Seen()
    ends = perf_counter() + seconds

    async def caller(first: int) -> None:
        done = 0
        while done < n_calls if n_calls else perf_counter() < ends:
            await _call(stub, users[(first + done * n_callers) % len(users)], seen)
            done += 1

    await asyncio.gather(*(caller(first) for first in range(n_callers)))
    return seen


async def _as_they_please(stub: RecommendationServiceStub, users: Sequence[str], per_s: float, seconds: float) -> Seen:
    """``per_s`` calls a second on average, whatever becomes of them."""
    seen = Seen()
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(1 / per_s, int(per_s * seconds)))
    started = perf_counter()
    running: set[asyncio.Task[None]] = set()
    for number, time in enumerate(times.tolist()):
        if (early := started + time - perf_counter()) > 0:
            await asyncio.sleep(early)
        task = asyncio.create_task(_call(stub, users[number % len(users)], seen))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return seen


async def _call(stub: RecommendationServiceStub, user_id: str, seen: Seen) -> None:
    started = perf_counter()
    try:
        await stub.Recommend(RecommendRequest(user_id=user_id, page_size=20), timeout=CALL_LIMIT_S)
    except grpc.aio.AioRpcError as error:
        seen.codes[error.code().name] += 1
        seen.refused.append(perf_counter() - started)
        status = from_call(error)
        retry = error_details_pb2.RetryInfo()
        if status is None or not any(detail.Unpack(retry) for detail in status.details):
            seen.n_without_retry += 1
    else:
        seen.codes["OK"] += 1
        seen.answered.append(perf_counter() - started)


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {f"p{q}": round(1e3 * float(np.quantile(seconds, q / 100)), 1) for q in (50, 99, 100)}


if __name__ == "__main__":
    raise SystemExit(main())
