from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from index import cli
from index.datasets import command as dataset_command
from recsys.errors import GateFailed, InputError, NoSnapshot, NotFound, RecsysError, SnapshotCorrupt, Unavailable

COMMANDS = (
    "dataset",
    "analyze",
    "rebuild",
    "evaluate",
    "ingest",
    "report",
    "list",
    "verify",
    "publish",
    "rollback",
    "prune",
)


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(_: argparse.Namespace) -> int:
        raise error

    return run


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[argparse.Namespace], int]], int]:
    """The exit code of a run whose sub-command does what it is given."""

    def run(work: Callable[[argparse.Namespace], int]) -> int:
        monkeypatch.setattr(dataset_command, "_complete_journey", work)
        return cli.main(["dataset", "complete-journey", "--out", "x"])

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("events.csv is empty"), 2),
        (NotFound("snapshot", "v1"), 2),
        (NoSnapshot("nothing is published"), 2),
        (SnapshotCorrupt("items.ids is altered"), 2),
        (Unavailable("not now"), 2),
        (GateFailed("coverage is 0.1,\n at least 0.2 is needed"), 3),
    ],
)
def test_an_error_of_ours_is_one_line_and_an_exit_code(
    outcome: Callable[..., int], capsys: pytest.CaptureFixture[str], error: RecsysError, code: int
) -> None:
    assert outcome(raising(error)) == code
    captured = capsys.readouterr()
    assert captured.err == f"recsys-index: {' '.join(str(error).split())}\n"
    assert captured.out == ""


def test_an_interrupt_says_that_nothing_was_published(
    outcome: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "recsys-index: interrupted; nothing was published\n"


def test_a_bug_is_not_dressed_up_as_bad_input(outcome: Callable[..., int]) -> None:
    with pytest.raises(ZeroDivisionError):
        outcome(raising(ZeroDivisionError()))


def test_a_sub_commands_exit_code_is_the_commands(outcome: Callable[..., int]) -> None:
    assert outcome(lambda _: 7) == 7


@pytest.mark.parametrize("words", [[], ["rebuildd"], ["dataset"], ["dataset", "movielens"], ["prune"]])
def test_wrong_usage_exits_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "usage: recsys-index" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert [command for command in COMMANDS if f"\n    {command} " in shown] == list(COMMANDS)


def test_help_waits_for_no_heavy_library(tmp_path: Path) -> None:
    heavy = ("torch", "polars", "faiss", "lightgbm", "pandas")
    code = f"import sys, index.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
