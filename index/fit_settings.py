"""How sources are fitted, as far as that follows the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from index.ease import EaseSettings
from index.factorise import AlsSettings
from index.neighbours import NeighbourSettings, Similarity


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How sources are fitted. others_weigh: factor on the weights of events that are not of a target type ·
    fade_weeks: what the popularity of what is trending and fresh fades over.
    """

    ease: EaseSettings = field(default_factory=EaseSettings)
    als: AlsSettings = field(default_factory=AlsSettings)
    similarity: Similarity = Similarity.COSINE
    neighbours: NeighbourSettings = field(default_factory=NeighbourSettings)
    others_weigh: float = 1.0
    fade_weeks: float = 2.0

    @classmethod
    def usual(cls, horizon_days: int) -> FitSettings:
        """The usual settings of a shop whose windows are so long: popularity fades over half of one."""
        return cls(fade_weeks=horizon_days / 14)

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of ``from_json``."""
        return asdict(self) | {"similarity": self.similarity.value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FitSettings:
        """The settings that ``to_json`` wrote. KeyError, TypeError or ValueError when they are none."""
        return cls(
            ease=EaseSettings(**values["ease"]),
            als=AlsSettings(**values["als"]),
            similarity=Similarity(values["similarity"]),
            neighbours=NeighbourSettings(**values["neighbours"]),
            others_weigh=float(values["others_weigh"]),
            fade_weeks=float(values["fade_weeks"]),
        )


USUAL = FitSettings()
