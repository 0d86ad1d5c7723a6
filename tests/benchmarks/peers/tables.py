"""The events of a data folder as they are, for a second opinion: imports nothing of this project, on purpose."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "value")
SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".ndjson")
GOOD_RATING = 4.0
MICRO = 1_000_000
DAY = 86_400 * MICRO


@dataclass(frozen=True, slots=True)
class Events:
    """A whole log, oldest first.

    rows: user_id, item_id, kind (strings), at (int64 microseconds UTC), is_target (an event of a target type, any
    value: having), is_good (one that counts as a success) · targets: the target types · why: how that was decided.
    """

    rows: pl.DataFrame
    targets: tuple[str, ...]
    why: str

    @property
    def end(self) -> int:
        """Time of the last event."""
        return int(self.rows["at"].max() or 0)


def read_events(folder: Path, config: Path | None = None) -> Events:
    """The events of ``folder``, as its recsys.toml (or ``config``) names columns and targets. ValueError in a sentence.

    Without a target: purchases if there are any, else every event. Ratings count as successes from 4 on, unless
    ``min_value`` says otherwise.
    """
    settings = _settings(config or folder / "recsys.toml")
    names: dict[str, str] = settings.get("columns", {}).get("events", {})
    raw = _read(folder)
    columns = {name: names.get(name, name) for name in COLUMNS}
    if missing := [own for name, own in columns.items() if name != "value" and own not in raw.columns]:
        raise ValueError(f"the events of {folder} lack {', '.join(missing)}")
    value = pl.col(columns["value"]).cast(pl.Float64, strict=False) if columns["value"] in raw.columns else pl.lit(None)
    rows = raw.select(
        pl.col(columns["user_id"]).cast(pl.String).alias("user_id"),
        pl.col(columns["item_id"]).cast(pl.String).alias("item_id"),
        pl.col(columns["event_type"]).cast(pl.String).alias("kind"),
        _microseconds(raw, columns["timestamp"]).alias("at"),
        value.cast(pl.Float64).alias("value"),
    ).drop_nulls(["user_id", "item_id", "kind", "at"])
    rows = rows.with_columns(pl.col("kind").str.strip_chars().str.to_lowercase().str.replace_all("[- ]", "_"))
    if not rows.height:
        raise ValueError(f"the events of {folder} are empty")
    chosen = settings.get("events", {})
    kinds = rows["kind"].unique().sort().to_list()
    targets, why = _targets([_canonical(one) for one in chosen.get("target_types", [])], kinds)
    least = chosen.get("min_value")
    if least is None and targets == ("rating",):
        least, why = GOOD_RATING, f"{why}; ratings count from {GOOD_RATING:g} on"
    is_target = pl.col("kind").is_in(targets)
    is_good = is_target if least is None else is_target & (pl.col("value") >= least).fill_null(True)
    rows = rows.with_columns(is_target.alias("is_target"), is_good.alias("is_good")).drop("value")
    return Events(rows.sort("at", "user_id", "item_id"), targets, why)


def instant(text: str) -> int:
    """Microseconds of an ISO 8601 time; naive is UTC. ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * MICRO


def iso(at: int) -> str:
    """The inverse of ``instant``, to the second."""
    return datetime.fromtimestamp(at // MICRO, UTC).isoformat()


def _settings(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text()) if path.exists() else {}


def _read(folder: Path) -> pl.DataFrame:
    for suffix in SUFFIXES:
        path = folder / f"events{suffix}"
        if not path.exists():
            continue
        if suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False) if "csv" in suffix else pl.read_ndjson(path)
    raise ValueError(f"{folder} holds no events{SUFFIXES[0]} nor another of {', '.join(SUFFIXES[1:])}")


def _canonical(kind: str) -> str:
    return kind.strip().lower().replace("-", "_").replace(" ", "_")


def _targets(chosen: list[str], present: list[str]) -> tuple[tuple[str, ...], str]:
    if chosen:
        return tuple(chosen), "as configured"
    if "purchase" in present:
        return ("purchase",), "since there are purchases"
    return tuple(present), "all there are, since there are no purchases"


def _microseconds(raw: pl.DataFrame, name: str) -> pl.Expr:
    kind = raw.schema[name]
    if kind == pl.String and raw[name].cast(pl.Float64, strict=False).null_count() == raw[name].null_count():
        return (pl.col(name).cast(pl.Float64) * MICRO).cast(pl.Int64)
    if kind == pl.String:
        return pl.col(name).str.to_datetime(time_zone="UTC", time_unit="us", strict=False).cast(pl.Int64)
    if kind.is_numeric():
        return (pl.col(name).cast(pl.Float64) * MICRO).cast(pl.Int64)
    return pl.col(name).cast(pl.Datetime("us", getattr(kind, "time_zone", None))).cast(pl.Int64)
