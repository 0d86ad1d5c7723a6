"""``recsys-index analyze``: what it prints, what it writes, and what it says to data it cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Run = Callable[..., Any]
SECTIONS = {
    "schema": 0,
    "sizes": 24,
    "repeats": 4,
    "item_concentration": 4,
    "user_concentration": 4,
    "drift": 2,
    "coverage": 3,
    "cold": 6,
    "funnel": 1,
    "clock": 3,
    "ratings": 0,
    "training": 3,
    "choices": 21,
    "warnings": 2,
}


@pytest.fixture
def data(corner_shop: Any, tmp_path: Path) -> Path:
    """The corner shop's tables: 60 users, 30 items without a text, half a year."""
    folder: Path = corner_shop.write(tmp_path / "data")
    return folder


def test_numbers_go_to_a_file_with_stable_keys_and_no_nan(index_command: Run, data: Path, tmp_path: Path) -> None:
    ran = index_command("analyze", "--data", data, "--json", tmp_path / "new" / "analysis.json")
    assert ran.code == 0, ran.err
    written = (tmp_path / "new" / "analysis.json").read_text()
    report = json.loads(written, parse_constant=pytest.fail)
    assert {name: len(part) if isinstance(part, dict | list) else 0 for name, part in report.items()} == SECTIONS
    assert report["schema"] == 1
    assert report["ratings"] is None
    assert (report["sizes"]["n_users"], report["sizes"]["n_items"]) == (60, 30)
    assert report["sizes"]["events_by_type"].keys() == {"purchase", "view"}
    assert report["drift"]["windows"][-1].keys() == {
        "start",
        "n_events",
        "n_users",
        "n_items",
        "share_new_users",
        "share_new_items",
        "js_distance",
        "js_by_chance",
        "top_overlap",
    }
    assert report["drift"]["windows"][0]["js_distance"] is None
    assert report["coverage"]["users"].keys() == {"age", "city"}
    assert report["choices"][0] == {
        "setting": "events.target_types",
        "value": "purchase",
        "why": "since there are purchases",
    }
    assert [warning["code"] for warning in report["warnings"]] == ["few_validated", "no_text"]


def test_a_log_gets_plain_lines_and_the_warnings_last(index_command: Run, data: Path) -> None:
    ran = index_command("analyze", "--data", data)
    assert ran.code == 0, ran.err
    assert "  users with events" in ran.out
    assert "┃" not in ran.out
    assert "Drift: 6 windows of 28 days" in ran.out
    assert "  sources.content        no" in ran.out
    assert ran.out.splitlines()[-1].startswith("warning: ")
    assert "warning: no text: the content source has nothing to say\n" in ran.out
    # The story of reading is on the other stream, as a rebuild tells it.
    assert "events.target_types: purchase (since there are purchases)\n" in ran.err
    assert "stage analyse done" in ran.err


def test_the_same_data_give_the_same_numbers(index_command: Run, data: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert index_command("analyze", "--data", data, "--json", tmp_path / name).code == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_nothing_after_the_chosen_end_is_counted(
    index_command: Run, corner_shop: Any, data: Path, tmp_path: Path
) -> None:
    ran = index_command("analyze", "--data", data, "--until", "2025-03-01", "--json", tmp_path / "analysis.json")
    assert ran.code == 0, ran.err
    before = corner_shop.events.filter(pl.col("timestamp") < pl.datetime(2025, 3, 1, time_zone="UTC"))
    report = json.loads((tmp_path / "analysis.json").read_text())
    assert report["sizes"]["n_events"] == before.height
    assert report["sizes"]["last_at"] == int(before["timestamp"].dt.epoch("s").max())
    # Windows end with the chosen time and not with the last event before it.
    assert report["training"]["windows"][0]["end"] == 1_740_787_200


def test_settings_decide_here_as_in_a_rebuild(index_command: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[events]\ntarget_types = ["view"]\n[training]\nhorizon_days = 7\nwindows = 2\n'
    )
    ran = index_command(
        "analyze", "--data", data, "--config", tmp_path / "mine.toml", "--json", tmp_path / "analysis.json"
    )
    assert ran.code == 0, ran.err
    report = json.loads((tmp_path / "analysis.json").read_text())
    values = {choice["setting"]: choice["value"] for choice in report["choices"]}
    assert (values["events.target_types"], values["training.horizon_days"], values["training.windows"]) == (
        "view",
        "7",
        "2",
    )
    assert [step["of"] for step in report["funnel"]] == ["view"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data", "nowhere"], "the data folder nowhere does not exist"),
        (["--until", "2024-01-01"], "no event before 2024-01-01T00:00:00Z is left of"),
        (["--config", "absent.toml"], "cannot read absent.toml: No such file or directory"),
    ],
)
def test_data_that_cannot_be_used_exit_2_in_one_sentence(
    index_command: Run, data: Path, tmp_path: Path, words: list[str], sentence: str
) -> None:
    ran = index_command("analyze", "--data", data, "--json", tmp_path / "analysis.json", *words)
    assert ran.code == 2
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"recsys-index: {sentence}")
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert not (tmp_path / "analysis.json").exists()


def test_a_report_that_cannot_be_written_is_named(index_command: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    ran = index_command("analyze", "--data", data, "--json", tmp_path / "a-file" / "analysis.json")
    assert ran.code == 2
    assert ran.err.splitlines()[-1].startswith(f"recsys-index: {tmp_path / 'a-file'}")


@pytest.mark.parametrize("n_events", [1, 2])
def test_the_smallest_data_are_described(index_command: Run, tmp_path: Path, n_events: int) -> None:
    rows = "".join(f"u,i,purchase,{1_735_689_600 + n}\n" for n in range(n_events))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "events.csv").write_text(f"user_id,item_id,event_type,timestamp\n{rows}")
    ran = index_command("analyze", "--data", tmp_path / "data", "--json", tmp_path / "analysis.json")
    assert ran.code == 0, ran.err
    report = json.loads((tmp_path / "analysis.json").read_text())
    assert (report["sizes"]["n_events"], report["sizes"]["density"]) == (n_events, 1.0)
    assert report["training"]["windows"] == []
    assert "no_window" in [warning["code"] for warning in report["warnings"]]
