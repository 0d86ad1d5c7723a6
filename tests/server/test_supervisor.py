"""A supervisor of stand-ins: which ends are final, which are not, and what reaches a worker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import InputError
from server.children import started
from server.settings import Settings
from server.supervisor import Supervisor, reserved


def test_a_port_that_somebody_listens_on_is_refused_and_a_free_one_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="cannot be listened on"):
        reserved("127.0.0.1", taken.getsockname()[1])
    with reserved("127.0.0.1", 0) as keeper:
        host, port = keeper.getsockname()
        assert port > 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port))


def test_a_worker_that_says_it_cannot_work_ends_the_server_with_2(settings_for: Callable[..., Settings]) -> None:
    said: list[str] = []
    command = (sys.executable, "-c", "import sys; sys.exit(2)")

    supervisor = Supervisor(settings_for(Path("unused"), workers=2), say=said.append, command=command)

    assert supervisor.run() == 2


def test_a_worker_that_cannot_work_once_another_could_is_only_started_again(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    # As one does that starts while a certificate has been replaced and its key has not.
    seen = tmp_path / "seen"
    code = (
        f"import pathlib, sys; seen = pathlib.Path({str(seen)!r})\n"
        "if seen.exists(): sys.exit(2)\n"
        """seen.touch(); print('{"state": "listening"}', flush=True); sys.exit(1)"""
    )
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "code 2" in line:
            os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor(settings_for(Path("unused")), say=say, command=(sys.executable, "-c", code))

    assert supervisor.run() == 0
    assert "ended with code 2" in said[-1]


def test_a_crash_loop_backs_off_and_still_stops_at_once(settings_for: Callable[..., Settings]) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    command = (sys.executable, "-c", "import sys; sys.exit(7)")
    supervisor = Supervisor(settings_for(Path("unused")), say=say, command=command)

    assert supervisor.run() == 0
    assert [re.search(r"in ([\d.]+) s$", line)[1] for line in said] == ["0.5", "1", "2"]  # type: ignore[index]


def test_a_signal_in_the_midst_of_starting_a_worker_reaches_that_worker_too(
    settings_for: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def started_and_told(*arguments: Any) -> subprocess.Popen[bytes]:
        process = started(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return process

    monkeypatch.setattr("server.supervisor.started", started_and_told)
    said: list[str] = []
    command = (sys.executable, "-c", "import sys; sys.stdin.read()")

    assert Supervisor(settings_for(Path("unused"), grace_s=0), say=said.append, command=command).run() == 0
    assert said == []


def test_a_worker_that_does_not_stop_as_it_should_is_said_and_the_end_is_1(
    settings_for: Callable[..., Settings],
) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line == "ready":
            os.kill(os.getpid(), signal.SIGTERM)

    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); print('ready', flush=True); signal.pause()"
    supervisor = Supervisor(settings_for(Path("unused")), say=say, command=(sys.executable, "-c", code))

    assert supervisor.run() == 1
    assert said == ["ready", "worker 0 ended with code 7 while it was to stop"]


def test_settings_reach_a_worker_by_its_standard_input_and_not_its_arguments(
    settings_for: Callable[..., Settings],
) -> None:
    said: list[str] = []
    report = "import json, sys; s = json.loads(sys.stdin.readline()); print(s['verify_key'], sys.argv[1:]); sys.exit(2)"
    settings = settings_for(Path("unused"), verify_key="hmac:secret")

    Supervisor(settings, say=said.append, command=(sys.executable, "-c", report)).run()

    assert said == ["hmac:secret ['0']"]


def test_where_no_process_can_start_it_goes_on_trying_until_it_is_told_to_stop(
    settings_for: Callable[..., Settings],
) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor(settings_for(Path("unused")), say=say, command=("/no/such/program",))

    assert supervisor.run() == 0
    assert said == [
        "worker 0 cannot be started: No such file or directory; next try in 0.5 s",
        "worker 0 cannot be started: No such file or directory; next try in 1 s",
    ]
