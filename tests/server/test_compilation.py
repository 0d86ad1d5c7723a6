"""The supervisor's side: one process of lowest priority, no version twice, and an end to all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.compilation import Compilation
from server.settings import Settings

from .chore_room import Room


@pytest.fixture
def room(tmp_path: Path, settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr("server.compilation.why_not", lambda: "")
    room = Room(settings_for(tmp_path, compiled_cache=tmp_path / "forests", verify_key="hmac:secret"))
    yield room
    room.selector.close()


def ended(room: Room, compilation: Compilation) -> list[str]:
    """What was said once nothing runs."""
    room.until(lambda: compilation.due_s is None, compilation)
    return room.said


def test_it_runs_at_the_lowest_priority_with_one_thread_and_its_settings_on_standard_input(room: Room) -> None:
    program = (
        "import json, os, sys, time; settings = json.loads(sys.stdin.readline());"
        "print(os.nice(0), os.environ['OMP_NUM_THREADS'], settings['verify_key'], sys.argv[1:])"
    )
    compilation = room.start(Compilation, program)

    compilation.want("v1")

    assert ended(room, compilation) == ["19 1 hmac:secret ['v1']"]


def test_the_version_wanted_last_is_next_and_none_runs_twice_in_a_row(room: Room) -> None:
    compilation = room.start(Compilation, "import sys; print(sys.argv[1])")

    for version in ("v1", "v1", "v2", "v3", "v1"):
        compilation.want(version)
    ended(room, compilation)
    compilation.want("v3")

    assert ended(room, compilation) == ["v1", "v3"]


def test_a_version_that_fails_is_said_once_and_not_tried_again(room: Room) -> None:
    compilation = room.start(Compilation, "import sys; sys.exit(sys.argv[1] == 'bad')")

    for version in ("bad", "good", "bad", "bad"):
        compilation.want(version)
        ended(room, compilation)

    assert room.said == ["compiling the rankers of bad ended with code 1; LightGBM scores"]


def test_one_that_takes_too_long_is_ended_and_not_tried_again(room: Room) -> None:
    compilation = room.start(Compilation, "import sys; sys.stdin.read(); sys.stdin.read()", longest_s=0.3)

    compilation.want("v1")
    ended(room, compilation)
    compilation.want("v1")

    assert ended(room, compilation) == [
        "compiling the rankers of v1 takes more than 0.3 s and is ended",
        "compiling the rankers of v1 ended with code -9; LightGBM scores",
    ]


def test_stopping_ends_it_and_starts_no_other(room: Room) -> None:
    compilation = room.start(Compilation, "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()")
    compilation.want("v1")
    compilation.want("v2")
    room.until(lambda: bool(room.said))

    compilation.stop()
    compilation.stop()
    compilation.want("v3")

    assert compilation.due_s is None
    with pytest.raises(ProcessLookupError):
        os.kill(int(room.said[0]), 0)


def test_where_forests_cannot_be_compiled_that_is_said_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.compilation.why_not", lambda: "lleaves cannot be imported")
    compilation = room.start(Compilation, "print('ran')")

    compilation.want("v1")
    compilation.want("v2")

    assert ended(room, compilation) == ["rankers are not compiled, LightGBM scores: lleaves cannot be imported"]


def test_switched_off_nothing_runs_and_nothing_is_said(tmp_path: Path, settings_for: Callable[..., Settings]) -> None:
    room = Room(settings_for(tmp_path))
    compilation = room.start(Compilation, "print('ran')")

    compilation.want("v1")

    assert ended(room, compilation) == []
    room.selector.close()
