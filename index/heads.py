"""Training of the rankers, one a head: ``home`` on all candidates, ``discover`` on those new to the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np

from index.at_once import at_once, n_cores
from index.frames import Frame
from index.mean_forest import mean_forest
from recsys.arrays import Bool, Float64, Int32, Int64
from recsys.fusion import SOURCE, Fusion
from recsys.pipeline import NEWCOMERS as NEWCOMERS_RANKER
from recsys.ranker import Forest
from recsys.union import FILLING

# With fewer positives or queries a forest learns noise.
LEAST_POSITIVES = 100
LEAST_QUERIES = 30
# A second thread pays off when it gets at least this many rows; below, waiting for each other costs a factor.
ROWS_A_THREAD = 50_000


BINARY, LAMBDARANK = "binary", "lambdarank"
OBJECTIVES = (BINARY, LAMBDARANK)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a forest is grown. objective: LightGBM's name of one of ``OBJECTIVES`` · random_splits: of each feature one
    threshold is tried, drawn at random (Geurts, Ernst, Wehenkel, "Extremely randomized trees", 2006) · by_all: learns
    what users did next, whatever it was, from everyone who did anything.
    """

    name: str
    n_trees: int
    n_leaves: int
    learning_rate: float
    least_rows_in_leaf: int
    feature_fraction: float = 0.5
    lambda_l2: float = 5.0
    objective: str = BINARY
    random_splits: bool = False
    by_all: bool = False


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of forests grown by several recipes; costs nothing to try where its ``parts`` are tried too.

    ValueError where only some of ``parts`` learn from all that users did: it would be grown on other rows than theirs.
    """

    name: str
    parts: tuple[Recipe, ...]

    def __post_init__(self) -> None:
        """Refuse parts that learn from different rows."""
        if len({part.by_all for part in self.parts}) > 1:
            raise ValueError(f"{self.name}: all parts or none may learn from all that users did")


@dataclass(frozen=True, slots=True)
class Head:
    """One ranker: what it learns from, and the recipes validation chooses from, the first by default.

    task: the name of its task in evaluations · new_only: learns from candidates new to the user only · negatives: share
    of a window's negatives it learns from, all of them where there are few rows · default: the label of what orders its
    candidates unless something else is convincingly better; "" is the forest of the first recipe · means: of forests by
    ``recipes``, compared like one more recipe · by_all: forests that learn from all that users did are compared too,
    where there are rows of that.
    """

    name: str
    task: str
    new_only: bool
    negatives: float
    recipes: tuple[Recipe, ...]
    default: str = ""
    means: tuple[Mean, ...] = ()
    by_all: bool = True


# What little data can bear.
SMALL = Recipe("small", n_trees=80, n_leaves=7, learning_rate=0.05, least_rows_in_leaf=50, feature_fraction=0.3)
# Of pairs within a list, not of rows by themselves: on Complete Journey better at what is new and worse at repeats.
RANKED = Recipe("ranked", 250, 15, 0.04, 400, objective=LAMBDARANK)
DEEP_TREES = Recipe("deep", 220, 31, 0.07, 200)
# On a shop of 21 products better than ``deep`` at what repeats (all features tried at each split: +.007 and +.010, SE
# .0017, of .591); on Complete Journey their mean is better than either (by seed +.0002 to +.0009, SE .0005, of .434,
# with half or all of the features; all take longer). Nothing was gained at what is new.
RANDOM = replace(DEEP_TREES, name="random", random_splits=True)
BROAD = Recipe("broad", 250, 15, 0.04, 400)
# Where many look and few take, what is looked at next is what is taken next, and ten times as much of it is known. In
# a made-up shop of 1,100 buyers a month better at what is new than the best that learnt from purchases (+.0043, SE
# .002, of .0857 NDCG@10), and at everything (+.0022, SE .0022, of .0946).
BROAD_BY_ALL, RANKED_BY_ALL = (replace(one, name=f"{one.name} by all", by_all=True) for one in (BROAD, RANKED))
BY_ALL = Mean("broad + ranked by all", (BROAD_BY_ALL, RANKED_BY_ALL))
HEADS = (
    Head("home", "all", False, 0.1, (DEEP_TREES, RANDOM, SMALL), means=(Mean("deep + random", (DEEP_TREES, RANDOM)),)),
    Head("discover", "novel", True, 0.16, (BROAD, RANKED, SMALL), means=(Mean("broad + ranked", (BROAD, RANKED)),)),
)
# Who has no history, in whatever serving config. It learns from everyone's rows like ``discover``, but is judged by who
# came for the first time: on two of four logs tried popularity did better for them than any forest, on two far worse.
NEWCOMERS = Head(
    NEWCOMERS_RANKER,
    "newcomers",
    True,
    0.16,
    HEADS[1].recipes,
    default=Fusion(SOURCE, source=FILLING).label,
    means=HEADS[1].means,
    by_all=False,
)
# Fewer rows than this are all kept.
FEW_ROWS = 400_000


def rows_of(head: Head, frame: Frame) -> Frame:
    """The part of a window's rows the head learns from and is judged on."""
    return frame.where(frame.new) if head.new_only else frame


def sample_of(head: Head, frames: Sequence[Frame], *, seed: int) -> Frame | None:
    """The rows of all windows the head learns from; None when they are too few (fusion answers then).

    Queries without a positive teach nothing about order and are left out.
    """
    rng = np.random.default_rng(seed)
    # Rows are told apart before any is copied: a window's features are half a gigabyte, and few of them are drawn.
    usable = [frame.new if head.new_only else np.ones(len(frame), bool) for frame in frames]
    usable = [with_positives(frame, among) for frame, among in zip(frames, usable, strict=True)]
    taken = [frame.query[frame.labels & among] for frame, among in zip(frames, usable, strict=True)]
    n_positives, n_queries = sum(map(len, taken)), sum(len(np.unique(queries)) for queries in taken)
    if n_positives < LEAST_POSITIVES or n_queries < LEAST_QUERIES:
        return None
    n_rows = sum(int(among.sum()) / frame.kept for frame, among in zip(frames, usable, strict=True))
    share = max(head.negatives, min(1.0, FEW_ROWS / max(n_rows, 1.0)))
    return Frame.concatenate([part.thinned(share, rng, among) for part, among in zip(frames, usable, strict=True)])


def with_positives(frame: Frame, among: Bool) -> Bool:
    """(R,) which rows ``among`` (R,) are of queries that have a positive among those."""
    has = np.zeros(int(frame.query.max(initial=-1)) + 1, bool)
    has[frame.query[frame.labels & among]] = True
    wanted: Bool = among & has[frame.query]
    return wanted


def train(recipe: Recipe | Mean, sample: Frame, *, seed: int) -> Forest:
    """A forest on the rows of ``sample``; its scores are log-odds up to a constant of the query."""
    return trained([recipe], sample, seed=seed)[0]


def trained(recipes: Sequence[Recipe | Mean], sample: Frame, *, seed: int) -> list[Forest]:
    """A forest by each of ``recipes``, as ``train``, grown at once; what several of them need is grown once."""
    parts = list(dict.fromkeys(part for recipe in recipes for part in parts_of(recipe)))
    alone = len(parts) == 1

    def grow(recipe: Recipe) -> Callable[[], Forest]:
        return lambda: _grown(recipe, sample, seed=seed, alone=alone)

    forests = dict(zip(parts, at_once([grow(part) for part in parts]), strict=True))
    return [mean_forest([forests[part] for part in parts_of(recipe)]) for recipe in recipes]


def parts_of(recipe: Recipe | Mean) -> tuple[Recipe, ...]:
    """The recipes of the forests it is made of."""
    return recipe.parts if isinstance(recipe, Mean) else (recipe,)


def learns_by_all(recipe: Recipe | Mean) -> bool:
    """Whether its forests learn from all that users did."""
    return any(part.by_all for part in parts_of(recipe))


def _grown(recipe: Recipe, sample: Frame, *, seed: int, alone: bool) -> Forest:
    """alone: no other forest grows at the same time, so that it may take all cores. The forest is the same."""
    settings = parameters(recipe, sample, seed=seed)
    n_threads = settings["num_threads"]
    settings["num_threads"] = n_threads if alone else 1
    # LightGBM's text format takes no white space or JSON marks in names; the manifest keeps the real ones.
    names = [f"f{position}" for position in range(sample.features.shape[1])]
    group = n_rows_by_query(sample) if recipe.objective == LAMBDARANK else None
    labels = sample.labels.astype(np.float32)
    data = lgb.Dataset(sample.features, labels, weight=sample.weights, group=group, feature_name=names)
    forest = Forest(lgb.train(settings, data, recipe.n_trees), n_threads=n_threads)
    return calibrated(forest, sample) if recipe.objective == LAMBDARANK else forest


def n_rows_by_query(sample: Frame) -> Int64:
    """Rows of each query, in order; queries of one number in two windows stay two."""
    ends = np.flatnonzero(np.diff(sample.query, append=-1)) + 1
    return np.diff(ends, prepend=0)


def calibrated(forest: Forest, sample: Frame) -> Forest:
    """``forest`` with leaves scaled so that its scores tell positives from negatives of ``sample`` as log-odds do.

    What lambdarank learns has no scale, and policies weigh scores against other things. Platt, "Probabilistic outputs
    for support vector machines", 1999; without his intercept, which moves no order.
    """
    from sklearn.linear_model import LogisticRegression

    scores = forest.score(sample.features)[:, None]
    slope = float(LogisticRegression(C=1e6).fit(scores, sample.labels).coef_[0, 0])
    if slope > 0:
        booster = forest.booster
        n_leaves = [int(line.partition("=")[2]) for line in forest.text.splitlines() if line.startswith("num_leaves=")]
        for tree, leaf in ((tree, leaf) for tree, n in enumerate(n_leaves) for leaf in range(n)):
            booster.set_leaf_output(tree, leaf, slope * booster.get_leaf_output(tree, leaf))
    return forest


def parameters(recipe: Recipe, sample: Frame, *, seed: int) -> dict[str, Any]:
    """LightGBM's, for a forest on ``sample``.

    Labels are binary and the number of trees is fixed: neither graded labels nor early stopping was better beyond its
    error, and users of equal weight were better than binary at what is new but no better than lambdarank, where
    ``tests/benchmarks/objectives.py`` compared them.
    """
    n_positives = int(sample.labels.sum())
    return {
        "objective": recipe.objective,
        "num_leaves": recipe.n_leaves,
        "learning_rate": recipe.learning_rate,
        # A leaf's least size follows the data: a fixed one would leave small shops with a stump.
        "min_data_in_leaf": max(5, min(recipe.least_rows_in_leaf, n_positives // 40)),
        "feature_fraction": recipe.feature_fraction,
        "extra_trees": recipe.random_splits,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": recipe.lambda_l2,
        "max_bin": 127,
        "seed": seed,
        "num_threads": max(1, min(n_cores(), len(sample) // ROWS_A_THREAD)),
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def top_lists(frame: Frame, scores: Float64, n_queries: int, k: int) -> Int32:
    """The ``k`` best items of each query by ``scores`` (R,): (n_queries, k) int32, -1 where there are fewer."""
    rows = top_rows(frame.query, frame.items, scores, n_queries, k)
    lists = np.full(rows.shape, -1, np.int32)
    lists[rows >= 0] = frame.items[rows[rows >= 0]]
    return lists


def top_rows(query: Int64, items: Int32, scores: Float64, n_queries: int, k: int) -> Int64:
    """The rows of the ``k`` best of each query, ties by item: (n_queries, k) int64, -1 where there are fewer.

    Memory: 16 bytes x queries x candidates of the query that has most.
    """
    # Rows of a window lie in order already, and a table of a query a row is sorted faster than one long column.
    keys = (query << 32) + items
    in_order = np.arange(len(keys)) if (np.diff(keys) >= 0).all() else np.argsort(keys, kind="stable")
    starts = np.searchsorted(query[in_order], np.arange(n_queries + 1))
    n_each = np.diff(starts)
    table = np.full((n_queries, max(int(n_each.max(initial=0)), k)), np.nan)
    table[query[in_order], np.arange(len(query)) - np.repeat(starts[:-1], n_each)] = -scores[in_order]
    place = np.argsort(table, axis=1, kind="stable")[:, :k]
    there = place < n_each[:, None]
    rows = np.full((n_queries, k), -1, np.int64)
    rows[there] = in_order[(starts[:-1, None] + place)[there]]
    return rows
