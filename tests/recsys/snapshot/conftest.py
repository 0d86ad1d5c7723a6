from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.serving import ServingConfig
from recsys.snapshot.files import SnapshotWriter
from recsys.snapshot.manifest import Manifest
from recsys.snapshot.signature import SigningKey
from recsys.snapshot.store import SnapshotStore

Build = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


@pytest.fixture
def facts() -> dict[str, Any]:
    return {
        "built_at": "2026-01-02T03:04:05+00:00",
        "event_window_start": 1_500_000_000,
        "event_window_end": 1_512_363_600,
        "seed": 7,
        "config": {"targets": ["purchase"], "half_life_days": 30.5},
        "features": ["own_count", "item_age_days"],
        "packages": {"numpy": "2.2.6"},
        "gates": [{"name": "ann_recall", "value": 0.97, "limit": 0.95, "passed": True}],
        "serving_configs": {"home": ServingConfig("home", ()).to_json()},
        "n_users": 3,
        "n_items": 2,
        "n_events": 9,
        "sources": ["popular", "als"],
    }


@pytest.fixture
def write_files() -> Callable[[Path], None]:
    """Writes one file of every kind a snapshot has."""

    def write(folder: Path) -> None:
        out = SnapshotWriter(folder)
        out.array("als.factors", np.arange(6, dtype=np.float32).reshape(3, 2))
        out.array("empty", np.zeros((0, 64), np.float32))
        out.text("rankers/home.txt", "tree\nversion=v4\n")
        out.json("report.json", {"validation": {"tasks": {"all": {"pipeline": {"ndcg@10": 0.4321}}}}})
        out.path("indexes/content.faiss").write_bytes(bytes(range(256)))

    return write


@pytest.fixture
def sealed(tmp_path: Path, facts: dict[str, Any], write_files: Callable[[Path], None]) -> Path:
    """A folder with every kind of file and its manifest."""
    write_files(tmp_path)
    Manifest.seal(tmp_path, **facts)
    return tmp_path


@pytest.fixture
def build(facts: dict[str, Any], write_files: Callable[[Path], None]) -> Build:
    """Commits a small snapshot to a store, unpublished; other facts by keyword."""

    def build(store: SnapshotStore, signing_key: SigningKey | None = None, **changed: Any) -> str:
        with store.staging() as staging:
            write_files(staging)
            return store.commit(staging, Manifest.seal(staging, **(facts | changed)), signing_key)

    return build
