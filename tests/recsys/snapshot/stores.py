"""Stores with several versions, and what else lies in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recsys.snapshot.store import SnapshotStore

Build = Callable[..., str]


def built(build: Build, store: SnapshotStore, n: int) -> list[str]:
    return [build(store, built_at=f"2026-01-{day:02d}T00:00:00+00:00") for day in range(1, n + 1)]


def left_over(root: Path) -> set[str]:
    """Names that are no version and not part of the store's own bookkeeping."""
    own = {"CURRENT", "HISTORY", ".rebuild.lock", ".publish.lock"}
    return {path.name for path in root.iterdir()} - own - set(SnapshotStore(root).versions())
