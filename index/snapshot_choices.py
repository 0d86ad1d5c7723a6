"""What a build chose and why: as the manifest keeps it, and as a person reads it."""

from __future__ import annotations

from index.build import Built
from recsys.fusion import RECIPROCAL_RANK
from recsys.pipeline import NEWCOMERS
from recsys.serving import ServingConfig
from recsys.snapshot.choices import FusionChoice, SourceChoice


def source_choices(built: Built) -> tuple[SourceChoice, ...]:
    """Of every source that was weighed."""
    return tuple(worth.choice for worth in built.worths)


def fusion_choices(built: Built) -> dict[str, FusionChoice]:
    """Of every serving config, and of newcomers where they have their own: the fusion the snapshot has for it."""

    def choice(config: ServingConfig) -> FusionChoice:
        fusion = built.snapshot.pipeline.fusions.get(config.ranker)
        if fusion is not None:
            return FusionChoice(fusion.label, built.whys[config.ranker])
        why = "its ranker was not trained" if config.ranker else "it has no ranker: its sources are fused by rank"
        return FusionChoice(RECIPROCAL_RANK, why)

    found = {name: choice(config) for name, config in built.snapshot.configs.items()}
    if (fusion := built.snapshot.pipeline.fusions.get(NEWCOMERS)) is not None:
        found[NEWCOMERS] = FusionChoice(fusion.label, built.whys[NEWCOMERS])
    return found
