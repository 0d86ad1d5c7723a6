"""Training of the rankers, one a head: ``home`` on all candidates, ``discover`` on those new to the user."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from index.frames import Frame
from recsys.arrays import Float64, Int32
from recsys.ranker import Forest

LEAST_POSITIVES = 200
LEAST_QUERIES = 50
# Below this, threads wait for each other longer than they count: a hundred times longer where other programs run.
ROWS_A_THREAD = 50_000


@dataclass(frozen=True, slots=True)
class Head:
    """One ranker's recipe, with a binary objective.

    new_only: learns from candidates new to the user only · negatives: share of a window's negatives it learns from.
    """

    name: str
    new_only: bool
    n_trees: int
    n_leaves: int
    learning_rate: float
    least_rows_in_leaf: int
    negatives: float


HEADS = (
    Head("home", new_only=False, n_trees=220, n_leaves=31, learning_rate=0.07, least_rows_in_leaf=200, negatives=0.1),
    Head(
        "discover", new_only=True, n_trees=250, n_leaves=15, learning_rate=0.04, least_rows_in_leaf=400, negatives=0.16
    ),
)


def rows_of(head: Head, frame: Frame) -> Frame:
    """The part of a window's rows the head learns from and is judged on."""
    return frame.where(frame.new) if head.new_only else frame


def train(head: Head, frames: Sequence[Frame], feature_names: Sequence[str], *, seed: int) -> Forest | None:
    """A forest on the windows' rows; None when there is too little to learn from (fusion answers then)."""
    rng = np.random.default_rng(seed)
    rows = [rows_of(head, frame) for frame in frames]
    n_positives = sum(int(part.labels.sum()) for part in rows)
    n_queries = sum(len(np.unique(part.query[part.labels])) for part in rows)
    if n_positives < LEAST_POSITIVES or n_queries < LEAST_QUERIES:
        return None
    sample = Frame.concatenate([part.thinned(head.negatives, rng) for part in rows])
    n_threads = max(1, min(os.cpu_count() or 1, len(sample) // ROWS_A_THREAD))
    parameters = {
        "objective": "binary",
        "num_leaves": head.n_leaves,
        "learning_rate": head.learning_rate,
        # A leaf's least size follows the data: a fixed one would leave small shops with a stump.
        "min_data_in_leaf": max(5, min(head.least_rows_in_leaf, n_positives // 40)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 127,
        "seed": seed,
        "num_threads": n_threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(sample.features, sample.labels.astype(np.float32), feature_name=_safe(feature_names))
    return Forest(lgb.train(parameters, data, head.n_trees), n_threads=n_threads)


def _safe(names: Sequence[str]) -> list[str]:
    """LightGBM's text format takes no white space or JSON marks in names; the manifest keeps the real ones."""
    return [f"f{position}" for position in range(len(names))]


def top_lists(frame: Frame, scores: Float64, n_queries: int, k: int) -> Int32:
    """The ``k`` best items of each query by ``scores`` (R,): (n_queries, k) int32, -1 where there are fewer."""
    order = np.lexsort((frame.items, -scores, frame.query))
    query = frame.query[order]
    place = np.arange(len(query)) - np.searchsorted(query, query)
    keep = place < k
    lists = np.full((n_queries, k), -1, np.int32)
    lists[query[keep], place[keep]] = frame.items[order][keep]
    return lists
