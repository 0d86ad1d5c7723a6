from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from index.progress import Stages


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=100, color_system=None), out


def test_into_a_pipe_every_stage_is_one_line_and_never_a_bar() -> None:
    pipe, out = console(terminal=False)
    with Stages(console=pipe) as stages:
        with stages.stage("embed texts", total=20_000) as step:
            for _ in range(2):
                step.advance(6_000)
        with stages.stage("publish"):
            pass
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"stage embed texts done in \d+\.\d s \(12,000 rows\)", lines[0])
    assert re.fullmatch(r"stage publish done in \d+\.\d s", lines[1])


def test_a_long_stage_says_in_a_pipe_how_far_it_is_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, out = console(terminal=False)
    at = 100.0
    monkeypatch.setattr("index.progress.time.perf_counter", lambda: at)
    with Stages(console=pipe) as stages, stages.stage("embed texts", total=20_000) as step:
        for _ in range(8):
            at += 20.0
            step.advance(1_000)
    assert out.getvalue().splitlines() == [
        "stage embed texts goes on: 3,000 of 20,000 so far",
        "stage embed texts goes on: 6,000 of 20,000 so far",
        "stage embed texts done in 160.0 s (8,000 rows)",
    ]


def test_on_a_terminal_there_are_bars_with_names_and_time_left() -> None:
    screen, out = console(terminal=True)
    with Stages(console=screen) as stages, stages.stage("embed [texts]", total=10) as step:
        step.advance(10)
    shown = out.getvalue()
    assert "embed [texts]" in shown
    assert "━" in shown
    assert "left" in shown
    assert "done in" not in shown


def test_every_finished_stage_is_recorded_with_seconds_peak_memory_and_rows() -> None:
    pipe, _ = console(terminal=False)
    with Stages(console=pipe) as stages, stages.stage("outer") as outer:
        outer.advance(3)
        with stages.stage("inner") as inner:
            inner.advance()
    assert [(record.name, record.n_rows) for record in stages.records] == [("inner", 1), ("outer", 3)]
    inner_record, outer_record = stages.records
    assert 0 <= inner_record.seconds <= outer_record.seconds
    assert 10_000_000 < inner_record.peak_bytes <= outer_record.peak_bytes


def test_a_stage_that_fails_says_so_is_not_recorded_and_hides_nothing() -> None:
    for terminal in (False, True):
        target, out = console(terminal=terminal)
        with pytest.raises(ValueError, match="broken"), Stages(console=target) as stages, stages.stage("fit"):
            raise ValueError("broken")
        assert "stage fit failed after" in out.getvalue()
        assert stages.records == []


def test_sentences_are_printed_as_they_are_however_long() -> None:
    pipe, out = console(terminal=False)
    sentence = "columns [a, b] " + "x" * 200
    with Stages(console=pipe) as stages:
        stages.print(sentence)
    assert out.getvalue() == sentence + "\n"


def test_the_summary_lists_the_stages() -> None:
    pipe, out = console(terminal=False)
    with Stages(console=pipe) as stages, stages.stage("read and clean") as step:
        step.advance(1_234)
    pipe.print(stages.summary())
    assert "peak MB" in out.getvalue()
    assert re.search(r"read and clean\W+\d+\.\d\W+[\d,]+\W+1,234", out.getvalue())
