"""When live events are counted: at once for another snapshot, then after a rest, and never where that is off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from server.counting import RESTS, Counting
from server.settings import Settings

from .chore_room import Room


@pytest.fixture
def room(tmp_path: Path, settings_for: Callable[..., Settings]) -> Iterator[Room]:
    room = Room(settings_for(tmp_path, scratch=tmp_path, statistics_s=0.2))
    yield room
    room.selector.close()


def test_it_counts_for_the_version_that_is_served_again_and_again_at_the_lowest_priority(room: Room) -> None:
    counting = room.start(Counting, "import os, sys; print(os.nice(0), sys.argv[1])")
    assert counting.due_s is None
    counting.want("v1")
    room.until(lambda: len(room.said) == 1, counting)
    counting.want("v1")
    room.until(lambda: len(room.said) == 3, counting)
    counting.stop()
    assert room.said == ["19 v1"] * 3


def test_another_version_is_counted_for_at_once_even_in_the_midst_of_a_counting(room: Room) -> None:
    counting = room.start(Counting, "import sys; sum(range(10_000_000)); print(sys.argv[1])")
    counting.want("v1")
    counting.act()
    counting.want("v2")
    room.until(lambda: room.said == ["v1"] and room.is_quiet)
    assert counting.due_s is not None
    assert counting.due_s <= monotonic()
    room.until(lambda: len(room.said) == 2, counting)
    counting.stop()
    assert room.said == ["v1", "v2"]


def test_it_rests_ten_times_what_it_took_of_a_processor(room: Room) -> None:
    counting = room.start(Counting, "import time\nwhile time.process_time() < 0.5: pass\nprint(1)")
    counting.want("v1")
    room.until(lambda: len(room.said) == 1, counting)
    room.until(lambda: room.is_quiet)
    assert counting.due_s is not None
    assert 0.45 * RESTS < counting.due_s - monotonic() < 5 * RESTS
    counting.stop()


def test_where_no_process_can_start_it_says_so_and_tries_again(room: Room) -> None:
    counting = room.start(Counting, "print(1)", command=("/no/such/program", "counting"))
    counting.want("v1")
    counting.act()
    assert room.said == ["counting cannot be started: No such file or directory"]
    assert counting.due_s is not None
    counting.act()
    assert len(room.said) == 1


@pytest.mark.parametrize("off", [{"scratch": None}, {"statistics_s": None}])
def test_it_never_counts_where_that_is_off(room: Room, off: dict[str, None], settings_for: Any, tmp_path: Path) -> None:
    room.settings = settings_for(tmp_path, **{"scratch": tmp_path, "statistics_s": 1.0, **off})
    counting = room.start(Counting, "print(1)")
    counting.want("v1")
    counting.act()
    assert counting.due_s is None


def test_a_counting_that_takes_too_long_is_ended_and_one_that_fails_is_said(room: Room) -> None:
    counting = room.start(Counting, "import time; time.sleep(600)", longest_s=0.3)
    counting.want("v1")
    room.until(lambda: len(room.said) == 2, counting)
    counting.stop()
    assert room.said == [
        "counting what is taken lately takes more than 0.3 s and is ended",
        "counting what is taken lately ended with code -9; item statistics stay as they are",
    ]
    assert counting.due_s is None
