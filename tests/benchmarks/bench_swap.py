"""Callers that never stop while two snapshots are published in turn: failed calls and mixed answers are counted.

Works on a copy of the current snapshot and a second version made of the same files, so the folder given is not changed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import grpc
import numpy as np
from running_server import running_server

from protos.recommender.v1.recommendation_service_pb2 import BatchRecommendRequest, RecommendRequest
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.store import SnapshotStore

BATCH = 8
# Every so many calls one is a batch: batches show mixing, single calls show failures.
BATCH_EVERY = 5
CALL_LIMIT_S = 30.0
PUBLISH_LIMIT_S = 120.0


@dataclass(slots=True)
class Seen:
    """What one caller saw."""

    versions: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    n_mixed: int = 0
    n_batches: int = 0
    seconds: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when no call failed, none was mixed and both versions answered; 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("snapshots", type=Path, nargs="?", default=Path(".demo/snapshots"))
    parser.add_argument("--json", type=Path, default=Path("bench/swap.json"), metavar="FILE")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="how long, default 60")
    parser.add_argument("--callers", type=int, default=20, metavar="N", help="at the same time, default 20")
    parser.add_argument("--every-s", type=float, default=10.0, metavar="S", help="pause between publishes, default 10")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="of the server, default 1")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "snapshots"
        versions = two_versions(options.snapshots, root)
        with running_server(root, n_workers=options.workers) as server:
            figures = _run(server.target, root, versions, options)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    is_clean = not figures["failed"] and not figures["mixed"] and not figures["foreign_versions"]
    return 0 if is_clean and len(figures["answers_by_version"]) == len(versions) else 1


def two_versions(source: Path, root: Path) -> tuple[str, str]:
    """The current version of ``source`` copied to ``root`` and published, and another with the same files."""
    store = SnapshotStore(source)
    first = store.current()
    manifest = store.manifest(first)
    root.mkdir()
    shutil.copytree(source / first, root / first)
    copies = SnapshotStore(root)
    copies.publish(first)
    facts: dict[str, Any] = {name: getattr(manifest, name) for name in _FACTS}
    later = datetime.fromisoformat(manifest.built_at).astimezone(UTC) + timedelta(seconds=1)
    with copies.staging() as folder:
        for name in manifest.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / first / name, folder / name)
        sealed = Manifest.seal(folder, built_at=later.isoformat(timespec="seconds"), **facts)
        second = copies.commit(folder, sealed)
    return first, second


_FACTS = (
    "event_window_start",
    "event_window_end",
    "seed",
    "config",
    "features",
    "packages",
    "gates",
    "serving_configs",
    "n_users",
    "n_items",
    "n_events",
    "sources",
)


def _run(target: str, root: Path, versions: tuple[str, str], options: argparse.Namespace) -> dict[str, Any]:
    with grpc.insecure_channel(target) as channel:
        users = SnapshotServiceStub(channel).ListUserIds(ListUserIdsRequest(page_size=10_000), timeout=CALL_LIMIT_S)
    until = monotonic() + options.seconds
    seen = [Seen() for _ in range(options.callers)]
    threads = [
        threading.Thread(target=_call, args=(target, list(users.user_ids), number, until, one))
        for number, one in enumerate(seen)
    ]
    for thread in threads:
        thread.start()
    n_published = _publish_in_turn(root, versions, until, options.every_s)
    for thread in threads:
        thread.join()
    answered: Counter[str] = sum((one.versions for one in seen), Counter())
    milliseconds = np.concatenate([np.array(one.seconds) for one in seen]) * 1000
    return {
        "seconds": options.seconds,
        "callers": options.callers,
        "workers": options.workers,
        "published": n_published,
        "calls": len(milliseconds),
        "batches": sum(one.n_batches for one in seen),
        "failed": dict(sum((one.failures for one in seen), Counter())),
        "mixed": sum(one.n_mixed for one in seen),
        "foreign_versions": sorted(set(answered) - set(versions)),
        "answers_by_version": dict(answered),
        "ms": {f"p{q}": round(float(np.percentile(milliseconds, q)), 1) for q in (50, 99, 100)},
    }


def _publish_in_turn(root: Path, versions: tuple[str, str], until: float, every_s: float) -> int:
    """The other version every ``every_s`` seconds, by the operator's own command; how often."""
    pause = threading.Event()
    n_published = 0
    while monotonic() + every_s < until:
        pause.wait(every_s)
        n_published += 1
        version = versions[n_published % 2]
        subprocess.run(
            [Path(sys.executable).with_name("recsys-index"), "publish", version, "--snapshots", str(root)],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=PUBLISH_LIMIT_S,
        )
    return n_published


def _call(target: str, users: Sequence[str], number: int, until: float, seen: Seen) -> None:
    """Call on a connection of one's own, without retries, until the time is over."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(target, options=options) as channel:
        stub = RecommendationServiceStub(channel)
        n_calls = 0
        while monotonic() < until:
            first = number * 97 + n_calls * BATCH
            wanted = [RecommendRequest(user_id=users[(first + i) % len(users)], page_size=10) for i in range(BATCH)]
            is_batch = n_calls % BATCH_EVERY == 0
            n_calls += 1
            started = perf_counter()
            try:
                if is_batch:
                    batch = stub.BatchRecommend(BatchRecommendRequest(requests=wanted), timeout=CALL_LIMIT_S)
                    named = {batch.snapshot_version, *(e.response.snapshot_version for e in batch.responses)}
                    seen.n_batches += 1
                    seen.n_mixed += len(named) > 1
                    seen.failures.update(str(e.status.code) for e in batch.responses if e.HasField("status"))
                else:
                    named = {stub.Recommend(wanted[0], timeout=CALL_LIMIT_S).snapshot_version}
                seen.versions.update(named)
            except grpc.RpcError as error:
                seen.failures[error.code().name] += 1
            seen.seconds.append(perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
