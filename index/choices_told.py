"""The choices that a manifest keeps, in lines for a person."""

from __future__ import annotations

from datetime import UTC, datetime

from recsys.snapshot.manifest import Manifest


def choices_told(manifest: Manifest) -> list[str]:
    """A line a serving config and a source; [] where the manifest knows of no choice."""
    if not manifest.fusion_choices:
        return []
    lines = []
    if manifest.selected_at is not None:
        lines.append(f"chosen on data up to {datetime.fromtimestamp(manifest.selected_at, UTC):%Y-%m-%d}:")
    for name, order in manifest.fusion_choices.items():
        why = order.why if order.why.startswith(order.fusion) else f"{order.fusion}: {order.why}"
        lines.append(f"  {name} orders by {why}")
    for one in manifest.source_choices:
        gains = ", ".join(f"{task} {gain:+.4f}" for task, gain in one.gains.items()) or "not measured"
        state = "kept" if one.kept else "left out"
        lines.append(f"  source {one.source}: {gains} NDCG@10, {one.cost_ms:.2f} ms a query; {state}: {one.why}")
    return lines
