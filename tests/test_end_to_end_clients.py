"""From tables to lists and to a terminal: the programs that ask a server process, run as anyone would run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from index.scoring import lists_of_pipeline
from recsys.model import Snapshot

USER = "user-003"
AT, AT_S = "2025-07-02T00:00:00Z", 1_751_414_400  # after the last event


def batch(target: str, out: Path, *words: str) -> None:
    command = [sys.executable, "-m", "server.batch_client", "--target", target, "--out", str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("config", ["home", "discover"])
def test_lists_of_the_batch_client_are_those_the_evaluation_scores(
    world_target: str, world_snapshot: Snapshot, tmp_path: Path, config: str
) -> None:
    words = ("--users", "all", "--limit", "100", "--serving-config", config, "--at", AT)
    batch(world_target, tmp_path / "lists.parquet", *words)
    batch(world_target, tmp_path / "lists.jsonl", *words)
    rows = pq.read_table(tmp_path / "lists.parquet").to_pylist()
    assert rows == [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text(encoding="utf-8").splitlines()]

    users = np.arange(len(world_snapshot.users), dtype=np.int32)
    lists = lists_of_pipeline(world_snapshot, config, users, at=AT_S)
    expected = [
        (user_id, rank, item_id)
        for user_id, row in zip(world_snapshot.users.ids(users), lists, strict=True)
        for rank, item_id in enumerate(world_snapshot.catalogue.items.ids(row[row >= 0]), start=1)
    ]
    assert [(row["user_id"], row["rank"], row["item_id"]) for row in rows] == expected
    assert len({row["user_id"] for row in rows}) == 120


def client(target: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.console_client", words[0], *words[1:], "--target", target]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_person_reads_names_sources_and_reasons(world_target: str, shop: Any) -> None:
    shown = client(world_target, "recommend", USER, "--explain", "--limit", "60")
    assert shown.returncode == 0, shown.stderr
    assert sum(title in shown.stdout for title in shop.items["title"]) >= 50
    assert "龙井绿茶" in shown.stdout
    assert "history" in shown.stdout
    assert "item-0" not in shown.stdout


def test_a_person_who_asks_for_the_impossible_gets_one_sentence(world_target: str) -> None:
    refused = client(world_target, "similar", "no-such-item")
    assert refused.returncode == 1
    assert refused.stderr.startswith("recsys-client: ")
    assert len(refused.stderr.splitlines()) == 1
    assert "no-such-item" in refused.stderr
