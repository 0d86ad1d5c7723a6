"""How sources are fitted, as far as that follows the data."""

from __future__ import annotations

from dataclasses import dataclass, field

from index.ease import EaseSettings
from index.factorise import AlsSettings
from index.neighbours import Similarity


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How sources are fitted. others_weigh: factor on the weights of events that are not of a target type."""

    ease: EaseSettings = field(default_factory=EaseSettings)
    als: AlsSettings = field(default_factory=AlsSettings)
    similarity: Similarity = Similarity.COSINE
    others_weigh: float = 1.0


USUAL = FitSettings()
