"""What "now" means for an answer that names no time of its own. The only reader of clocks for answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from recsys.recent import SECOND_US
from server.live import Serving

Clock = Callable[[Serving], int]


def wall_clock(_: Serving) -> int:
    """Epoch seconds of this machine."""
    return wall_time()


def wall_time() -> int:
    """Epoch seconds of this machine: when tokens are given out and expire, whatever the clock of answers is."""
    return int(time.time())


def wall_time_us() -> int:
    """The same in microseconds: when something was kept or forgotten."""
    return time.time_ns() // 1000


def snapshot_clock(serving: Serving) -> int:
    """Epoch seconds that began at the snapshot's last event when it was swapped in: old data would otherwise be stale.

    One second later, in fact: a history is what happened strictly before "now", and the last event belongs to it.
    """
    return serving.manifest.event_window_end + 1 + int(time.monotonic() - serving.since_s)


def microseconds(clock: Clock, serving: Serving) -> int:
    """Now by ``clock`` in epoch microseconds, for events that name no time: what comes later is later."""
    if clock is wall_clock:
        return wall_time_us()
    return clock(serving) * SECOND_US + int((time.monotonic() - serving.since_s) % 1 * SECOND_US)


def forgotten_until_us(clock: Clock, serving: Serving | None) -> int:
    """Up to when (epoch microseconds) what somebody did is forgotten who is deleted now.

    By the snapshot's clock, which each worker began at a moment of its own, all that the snapshot knows: what anybody
    does afterwards is later by every worker's clock.
    """
    if clock is wall_clock or serving is None:
        return wall_time_us()
    return (serving.manifest.event_window_end + 1) * SECOND_US - 1


CLOCKS: Mapping[str, Clock] = {"now": wall_clock, "snapshot": snapshot_clock}
