"""What a rebuild chose and why, as the manifest keeps it for whoever asks later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """Why a source is in the snapshot or is not.

    gains: task -> NDCG@10 that it wins · cost_ms: of one query, on the machine that weighed it · why: a sentence.
    """

    source: str
    gains: Mapping[str, float]
    cost_ms: float
    kept: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SourceChoice:
        """The choice that ``to_json`` wrote. KeyError, TypeError or ValueError when it is none."""
        return cls(
            source=str(values["source"]),
            gains={str(task): float(gain) for task, gain in values["gains"].items()},
            cost_ms=float(values["cost_ms"]),
            kept=bool(values["kept"]),
            why=str(values["why"]),
        )


@dataclass(frozen=True, slots=True)
class FusionChoice:
    """How a serving config orders its candidates, by name, and why it does so, in a sentence."""

    fusion: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FusionChoice:
        """The choice that ``to_json`` wrote. KeyError when it is none."""
        return cls(str(values["fusion"]), str(values["why"]))
