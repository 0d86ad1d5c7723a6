"""Live events over the wire: seen by another server at once, how many a second, and what they cost answers.

    python -m tests.benchmarks.bench_live SNAPSHOTS [--asked N] [--events N] [--users N] [--seconds S] [--json FILE]

Two servers, a process each, share a folder of state. Events are written to one and looked for in the other's next
answer. One writer in a process of its own then sends batches of 100, at full speed and at 5,000 a second, beside one
caller; at last the store is filled, and the same answers are asked for as from the empty one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import grpc
import numpy as np

from protos.recommender.v1.event_pb2 import Event
from protos.recommender.v1.event_service_pb2 import WriteEventsRequest
from protos.recommender.v1.event_service_pb2_grpc import EventServiceStub
from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest, RecommendResponse
from protos.recommender.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from protos.recommender.v1.snapshot_service_pb2 import ListUserIdsRequest
from protos.recommender.v1.snapshot_service_pb2_grpc import SnapshotServiceStub
from recsys.stores.opening import open_state
from recsys.stores.records import LiveEvent
from tests.benchmarks.running_server import running_server

BATCH = 100
EVENTS_A_SECOND = 5_000
N_WARM = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every acknowledged event was in the next answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("snapshots", type=Path, nargs="?", default=Path(".demo/snapshots"))
    parser.add_argument("--asked", type=int, default=10_000, metavar="N", help="writes to look for (%(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="in the full store (%(default)s)")
    parser.add_argument("--users", type=int, default=100_000, metavar="N", help="whose they are (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="of each measurement (%(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench/live.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        flags = ["--state", folder]
        with (
            running_server(options.snapshots, flags=flags) as one,
            running_server(options.snapshots, flags=flags) as two,
            grpc.insecure_channel(one.target) as writing,
            grpc.insecure_channel(two.target) as reading,
        ):
            users = list(SnapshotServiceStub(reading).ListUserIds(ListUserIdsRequest(page_size=1000)).user_ids)
            items = [r.item_id for r in recommended(reading, user_id="", page_size=200).results]
            figures: dict[str, Any] = {"asked": options.asked, "seen": seen(writing, reading, options.asked, items)}
            print(json.dumps(figures), flush=True)
            figures |= {"answers_alone": latencies(writing, users, options.seconds)}
            for name, pace in (("at_full_speed", 0), ("at_5000_a_second", EVENTS_A_SECOND)):
                with written_to(one.target, items, pace) as writer:
                    beside = latencies(writing, users, options.seconds)
                figures |= {f"answers_beside_writes_{name}": beside, f"events_a_second_{name}": writer[0]}
                print(json.dumps(figures), flush=True)
            figures |= {"answers_empty": latencies(reading, users, options.seconds)}
            fill(folder, options.events, [*users, *(f"live-{n}" for n in range(options.users - len(users)))], items)
            figures |= {"answers_full": latencies(reading, users, options.seconds), "events": options.events}
    print(json.dumps(figures, indent=2))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return int(figures["seen"] != options.asked)


def recommended(channel: grpc.Channel, **fields: Any) -> RecommendResponse:
    return RecommendationServiceStub(channel).Recommend(RecommendRequest(**fields), timeout=30)


def seen(writing: grpc.Channel, reading: grpc.Channel, n_asked: int, items: Sequence[str]) -> int:
    """How many of so many acknowledged purchases were among what their buyer owns in the very next answer."""
    write, n_seen = EventServiceStub(writing).WriteEvents, 0
    for number in range(n_asked):
        user, item = f"newcomer-{number}", items[number % len(items)]
        write(WriteEventsRequest(events=[Event(event_type="purchase", user_id=user, item_id=item)]), timeout=30)
        answer = recommended(reading, user_id=user, serving_config="buy-again", include_out_of_stock=True)
        n_seen += [result.item_id for result in answer.results] == [item]
    return n_seen


def latencies(channel: grpc.Channel, users: Sequence[str], seconds: float) -> dict[str, float]:
    """Milliseconds of answers to one caller, who asks for one user after the other."""
    for user in users[:N_WARM]:
        recommended(channel, user_id=user)
    took, until = [], perf_counter() + seconds
    while (begun := perf_counter()) < until:
        recommended(channel, user_id=users[len(took) % len(users)])
        took.append(perf_counter() - begun)
    p50, p99 = np.percentile(took, [50, 99]) * 1e3
    return {"n": len(took), "p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


@contextmanager
def written_to(target: str, items: Sequence[str], pace: int) -> Iterator[list[float]]:
    """A writer at work; afterwards the list holds the events a second that were acknowledged. pace 0: full speed."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    writer = multiprocessing.get_context("spawn").Process(target=write_on, args=(target, items, pace, theirs))
    writer.start()
    assert ours.recv() == "started"
    rate: list[float] = []
    try:
        yield rate
    finally:
        ours.send("stop")
        rate.append(ours.recv())
        writer.join()


def write_on(target: str, items: Sequence[str], pace: int, told: Connection) -> None:
    """Send batches until told to stop; then tell how many events a second were new and acknowledged."""
    # Another seed for another pace: the ids of one run would be known in the next.
    dice, n_written = random.Random(f"pace {pace}"), 0
    with grpc.insecure_channel(target) as channel:
        write = EventServiceStub(channel).WriteEvents
        told.send("started")
        begun = perf_counter()
        while not told.poll():
            events = [
                Event(
                    event_id=f"{dice.getrandbits(128):032x}",
                    event_type="view",
                    user_id=f"live-{dice.randrange(100_000)}",
                    item_id=dice.choice(items),
                    session_id=f"session-{n_written // 20}",
                    platform="web",
                )
                for _ in range(BATCH)
            ]
            n_written += write(WriteEventsRequest(events=events), timeout=60).n_written
            if pace:
                sleep(max(0.0, begun + n_written / pace - perf_counter()))
        told.recv()
        told.send(round(n_written / (perf_counter() - begun)))


def fill(folder: str, n_events: int, users: Sequence[str], items: Sequence[str]) -> None:
    """Put events of ``users`` into the store, all long before the snapshot's last one."""
    dice, state = random.Random(1), open_state(folder)
    for start in range(0, n_events, 1000):
        state.events.append(
            [
                LiveEvent(f"fill-{n}", "view", 1_000_000 * n, dice.choice(users), item_id=dice.choice(items))
                for n in range(start, min(start + 1000, n_events))
            ]
        )
    state.close()


if __name__ == "__main__":
    sys.exit(main())
