"""The three tables of a made-up shop, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DAY_S = 86_400
# Every log begins here: a Monday.
FIRST_DAY = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Shop:
    """events: user_id, item_id, event_type, timestamp and what else a world records, oldest first · items, users: None
    where the world has no such table · horizon_days: how far ahead its lists are judged, up to the last event.
    """

    events: pl.DataFrame
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    horizon_days: int = 28

    @property
    def cut(self) -> datetime:
        """From here on its lists are judged."""
        last = self.events["timestamp"].max()
        assert isinstance(last, datetime)
        return datetime.fromtimestamp(int(last.timestamp()) - self.horizon_days * DAY_S, UTC)

    def write(self, folder: Path) -> None:
        """Parquet files; of the items only those that were there at the cut, as in an adopter's own catalogue."""
        folder.mkdir(parents=True, exist_ok=True)
        self.events.write_parquet(folder / "events.parquet")
        for name, table in (("items", self.items), ("users", self.users)):
            path = folder / f"{name}.parquet"
            path.unlink(missing_ok=True)
            if table is not None:
                known = table.filter(pl.col("created_at") < self.cut) if "created_at" in table.columns else table
                known.write_parquet(path)


def moments(days: Floats) -> pl.Series:
    """Times ``days`` (fractions count) after the first day, to the second."""
    seconds = FIRST_DAY + np.floor(days * DAY_S).astype(np.int64)
    return pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))


def ids(prefix: str, numbers: Ints) -> pl.Series:
    """``prefix`` and five digits each."""
    return pl.Series(numbers).cast(pl.String).str.zfill(5).str.replace("^", prefix)


def log(
    users: Ints, items: Ints, days: Floats, *, kinds: str | pl.Series = "purchase", **more: pl.Series
) -> pl.DataFrame:
    """Events, oldest first; the columns of ``more`` are of the same length."""
    rows = pl.DataFrame({"user_id": ids("u", users), "item_id": ids("i", items), "timestamp": moments(days), **more})
    kind = pl.lit(kinds) if isinstance(kinds, str) else kinds
    return rows.with_columns(event_type=kind).sort("timestamp", "user_id", "item_id", "event_type")
