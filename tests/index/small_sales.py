"""Sales of a few users and items, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

DAY_S = 86_400
START = 1_735_689_600


def sales(n_users: int = 6, n_items: int = 5, n_days: int = 40, event_type: str = "purchase") -> list[dict[str, Any]]:
    """A sale a day: every user comes round, every item is sold."""
    return [
        {
            "user_id": f"u{day % n_users}",
            "item_id": f"i{day % n_items}",
            "event_type": event_type,
            "timestamp": START + day * DAY_S,
        }
        for day in range(n_days)
    ]


def write_csv(folder: Path, rows: list[dict[str, Any]], name: str = "events.csv") -> Path:
    folder.mkdir(exist_ok=True)
    pl.DataFrame(rows).write_csv(folder / name)
    return folder
