"""One fusion of every kind."""

from __future__ import annotations

from recsys.fusion import FOREST, LINEAR, RECIPROCAL_RANK, SOURCE, STACKED, Fusion, LinearFusion


def every_fusion(weighed: LinearFusion, *, scorer: str) -> dict[str, Fusion]:
    """By name. weighed: what the linear parts weigh · scorer: a source that scores any item; history only ranks."""
    return {
        "forest": Fusion(FOREST),
        "stacked": Fusion(STACKED, weighed),
        "linear": Fusion(LINEAR, weighed),
        "reciprocal ranks": Fusion(RECIPROCAL_RANK),
        "scorer": Fusion(SOURCE, source=scorer),
        "by rank": Fusion(SOURCE, source="history"),
    }
