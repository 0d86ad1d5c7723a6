"""Writers that are killed while they write, and whether what they were acknowledged is there afterwards.

What a batch that was not acknowledged may be: kept whole, or not at all. What is wrong: an acknowledged event that is
missing, an event that is there twice, in part, or that nobody wrote. The store is the same one over all rounds.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recsys.stores.opening import open_state
from recsys.stores.records import LiveEvent

from .acknowledging_writer import batch

ROOT = Path(__file__).parents[3]
N_WRITERS = 2
_PAGE = 10_000


@dataclass(slots=True)
class Tally:
    """What came of some rounds; ``wrong`` has a line for each thing that must not be."""

    n_kills: int = 0
    n_acknowledged: int = 0
    n_kept: int = 0
    n_unacknowledged_kept: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Killing:
    """Rounds on the store at ``where``. kill: ends what dies, given the writers · revive: then brings it back."""

    where: str
    kill: Callable[[Sequence[subprocess.Popen[bytes]]], None]
    revive: Callable[[], None]
    too_early: bool = False
    seed: int = 0
    tally: Tally = field(default_factory=Tally)
    _position: int = 0
    _kept: dict[str, LiveEvent] = field(default_factory=dict)

    def round(self) -> None:
        """Write at full speed, kill at a random moment, and look."""
        number = self.tally.n_kills
        dice = random.Random(f"{self.seed}.{number}")
        names = [f"r{number}w{writer}" for writer in range(N_WRITERS)]
        writers = [self._writer(name) for name in names]
        # Until all write: starting takes longer than what is to be hit.
        said = [_line(writer) for writer in writers]
        time.sleep(dice.uniform(0.0, 0.25))
        self.kill(writers)
        for index, writer in enumerate(writers):
            said[index] += writer.communicate(timeout=30)[0]
        self.tally.n_kills += 1
        self.revive()
        new = self._new()
        for name, output in zip(names, said, strict=True):
            self._compare(name, output.decode(), new)
        self.tally.wrong += [f"{event_id} was written by nobody" for event_id in new]

    def look_again(self) -> None:
        """All that was ever there must be there at the end, once."""
        state = open_state(self.where)
        position, found = 0, dict[str, LiveEvent]()
        while page := state.events.since(position, _PAGE):
            events, position = page
            if not events:
                break
            self.tally.wrong += [f"{one.event_id} is there twice" for one in events if one.event_id in found]
            found |= {event.event_id: event for event in events}
        self.tally.wrong += [f"{event_id} is lost since" for event_id in self._kept.keys() - found.keys()]
        self.tally.wrong += [f"{event_id} came since" for event_id in found.keys() - self._kept.keys()]
        if state.events.count() != len(found):
            self.tally.wrong.append(f"{state.events.count()} events are counted, {len(found)} are there")
        self.tally.n_kept = len(found)
        state.close()

    def _writer(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.recsys.stores.acknowledging_writer", self.where, name]
        if self.too_early:
            command.append("--too-early")
        # Unbuffered: what ``readline`` reads ahead, ``communicate`` would not see.
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0)

    def _new(self) -> dict[str, LiveEvent]:
        """What was kept since the last look, by id, taken note of."""
        state = open_state(self.where)
        new: dict[str, LiveEvent] = {}
        while True:
            events, self._position = state.events.since(self._position, _PAGE)
            if not events:
                break
            self.tally.wrong += [
                f"{one.event_id} is there twice" for one in events if one.event_id in new or one.event_id in self._kept
            ]
            new |= {event.event_id: event for event in events}
        state.close()
        self._kept |= new
        return new

    def _compare(self, name: str, output: str, new: dict[str, LiveEvent]) -> None:
        """Take out of ``new`` what the writer ``name`` may have kept, and note what is not as it said."""
        said = [line.split(" ") for line in output.splitlines()]
        kept = {(int(thread), int(number)) for word, thread, number in said if word == "kept"}
        begun = {(int(thread), int(number)) for word, thread, number in said if word == "begin"}
        for thread, number in sorted(begun | kept):
            events = batch(name, thread, number)
            found = [new.pop(event.event_id, None) for event in events]
            acknowledged = (thread, number) in kept
            self.tally.n_acknowledged += len(events) if acknowledged else 0
            if found == events:
                self.tally.n_unacknowledged_kept += 0 if acknowledged else len(events)
            elif acknowledged:
                self.tally.wrong.append(f"{name}.{thread}.{number} was acknowledged and is not there")
            elif any(event is not None for event in found):
                self.tally.wrong.append(f"{name}.{thread}.{number} is there in part")


def kill_writers(writers: Sequence[subprocess.Popen[bytes]]) -> None:
    """kill -9."""
    for writer in writers:
        writer.kill()


def _line(writer: subprocess.Popen[bytes]) -> bytes:
    """Its first line: it writes."""
    assert writer.stdout is not None
    return writer.stdout.readline()
