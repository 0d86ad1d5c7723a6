"""The rule by which a setting is chosen on validation windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from diversity.setting import Setting

from recsys.evaluation.metrics import K


def choose(windows: Sequence[Mapping[str, Any]], most_loss: float) -> Setting:
    """Of what loses no more than ``most_loss`` of NDCG in any window, the most items that were hits, then variety.

    The whole rule is told in diversity_curve.py.
    """
    settings = [(row["diversity"], row["spread"]) for row in windows[0]["settings"]]
    values = {
        name: np.array([[row[f"{name}@{K}"] for row in window["settings"]] for window in windows])
        for name in ("ndcg", "hits_coverage", "diversity")
    }
    off = settings.index((0.0, 0.0))
    allowed = (values["ndcg"] >= (1 - most_loss) * values["ndcg"][:, [off]]).all(axis=0)
    hits = np.where(allowed, values["hits_coverage"].mean(axis=0), -1.0)
    n_hits = sum(window["n_items"] for window in windows) * hits.max()
    near = np.flatnonzero(hits >= hits.max() * (1 - 1 / np.sqrt(max(n_hits, 1.0))))
    variety = np.nan_to_num(values["diversity"].mean(axis=0)[near])
    return settings[near[np.lexsort((-hits[near], -variety))[0]]]
