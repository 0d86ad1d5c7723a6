"""Durable events a second, and how long who-asks takes with an empty store and with a million events in it.

    python -m tests.benchmarks.bench_state [--events N] [--users N] [--engines sqlite valkey] [--json FILE]

Batches of 100, one writer. ``person`` is asked for random users, with their 100 newest events at most.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np

from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent
from tests.recsys.stores.running_valkey import RunningValkey

BATCH = 100
N_TIMED_BATCHES = 200
N_ASKED = 2_000
MOST_EVENTS = 100
NOW_US = 1_767_225_600_000_000
ENGINES = ("sqlite", "valkey")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 and a JSON file of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="in the full store (%(default)s)")
    parser.add_argument("--users", type=int, default=100_000, metavar="N", help="whose they are (%(default)s)")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--json", type=Path, default=Path("bench/state.json"), metavar="FILE")
    options = parser.parse_args(arguments)
    figures = {}
    for engine in options.engines:
        with opened(engine) as state:
            figures[engine] = measured(state, options.events, options.users)
            print(engine, json.dumps(figures[engine], indent=2), flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


@contextmanager
def opened(engine: str) -> Iterator[State]:
    """An empty store."""
    with tempfile.TemporaryDirectory(prefix="state-") as folder:
        if engine == "sqlite":
            state = open_state(folder)
            yield state
            state.close()
        else:
            with RunningValkey(Path(folder)) as server:
                state = open_state(server.url)
                yield state
                state.close()


def measured(state: State, n_events: int, n_users: int) -> dict[str, float]:
    """Events a second at first and at last, milliseconds of ``person`` before and after."""
    dice = random.Random(0)
    figures = {f"empty_person_{name}_ms": ms for name, ms in asked(state, dice, n_users).items()}
    rates = []
    for start in range(0, n_events, BATCH):
        events = [event(dice, number, n_users) for number in range(start, start + BATCH)]
        begun = perf_counter()
        assert all(state.events.append(events))
        rates.append(BATCH / (perf_counter() - begun))
    figures["first_events_a_second"] = rate(rates[:N_TIMED_BATCHES])
    figures["last_events_a_second"] = rate(rates[-N_TIMED_BATCHES:])
    figures["all_events_a_second"] = rate(rates)
    figures |= {f"full_person_{name}_ms": ms for name, ms in asked(state, dice, n_users).items()}
    return {"events": n_events, "users": n_users, **figures}


def rate(rates: Sequence[float]) -> float:
    """Events a second over all batches: the harmonic mean, each batch is as large."""
    return round(len(rates) / sum(1 / one for one in rates))


def asked(state: State, dice: random.Random, n_users: int) -> dict[str, float]:
    """Median, 99th percentile, of asking for a user and of asking for the version of the catalogue."""
    for _ in range(50):
        state.users.person("warm", "", most_events=MOST_EVENTS)
    times = np.empty((N_ASKED, 2))
    for row in times:
        user_id = f"user-{dice.randrange(n_users):06}"
        begun = perf_counter()
        state.users.person(user_id, "", most_events=MOST_EVENTS)
        between = perf_counter()
        state.items.version()
        row[:] = between - begun, perf_counter() - between
    p50, p99 = np.percentile(times[:, 0], [50, 99]) * 1e3
    return {
        "p50": round(float(p50), 3),
        "p99": round(float(p99), 3),
        "version_p50": round(float(np.median(times[:, 1]) * 1e3), 3),
    }


def event(dice: random.Random, number: int, n_users: int) -> LiveEvent:
    """As a shop sends them: of a user on one of two devices."""
    user = dice.randrange(n_users)
    return LiveEvent(
        event_id=f"{dice.getrandbits(128):032x}",
        event_type="view",
        time_us=NOW_US + number * 1_000,
        user_id=f"user-{user:06}",
        visitor_id=f"visitor-{user:06}-{number % 2}",
        item_id=f"item-{dice.randrange(50_000)}",
        quantity=1.0,
        price=9.99,
        currency_code="EUR",
        session_id=f"session-{number // 20}",
        platform="web",
    )


if __name__ == "__main__":
    sys.exit(main())
