"""A process that writes events as fast as it can and says on its standard output which it was acknowledged.

    python -m tests.recsys.stores.acknowledging_writer WHERE NAME [--threads N] [--batches N] [--too-early]

A line "begin THREAD BATCH" and a line "kept THREAD BATCH" a batch, each by one write. It ends when the store fails.
``--too-early`` is what must be found out: it says "kept" before it asks the store to keep anything.
"""

from __future__ import annotations

import argparse
import os
import sys
from threading import Thread

from recsys.errors import StateUnavailable
from recsys.stores.opening import open_state
from recsys.stores.protocols import State
from recsys.stores.records import LiveEvent


def batch(name: str, thread: int, number: int) -> list[LiveEvent]:
    """The events of a batch: 1 to 20, the same whoever asks."""
    return [
        LiveEvent(
            event_id=f"{name}.{thread}.{number}.{place}",
            event_type="view",
            time_us=number * 100 + place,
            user_id=f"u{number % 50}",
            item_id=f"i{place}",
            query="x" * (number * 37 % 300),
        )
        for place in range(1 + number * 7 % 20)
    ]


def main() -> int:
    """0 when all batches are kept, 1 when the store failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("where")
    parser.add_argument("name")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--batches", type=int, default=1_000_000)
    parser.add_argument("--too-early", action="store_true")
    options = parser.parse_args()
    state = open_state(options.where)
    failed: list[StateUnavailable] = []

    def write(thread: int) -> None:
        try:
            for number in range(options.batches):
                _write(state, options.name, thread, number, options.too_early)
        except StateUnavailable as error:
            failed.append(error)

    threads = [Thread(target=write, args=(thread,)) for thread in range(options.threads)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    state.close()
    return 1 if failed else 0


def _write(state: State, name: str, thread: int, number: int, too_early: bool) -> None:
    _say(f"begin {thread} {number}")
    if too_early:
        _say(f"kept {thread} {number}")
    assert all(state.events.append(batch(name, thread, number)))
    if not too_early:
        _say(f"kept {thread} {number}")


def _say(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
