"""What each source is worth: what the lists lose without it, and what an answer costs with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from index.frames import Frame
from index.heads import top_rows
from index.labelled import Labelled
from index.selection import Chosen, lists_by, rows_about
from index.settings import OPTIONAL_SOURCES
from recsys.arrays import Bool, Float64
from recsys.ask import Ask, resolve
from recsys.evaluation.metrics import per_user
from recsys.evaluation.truth import Truth
from recsys.fusion import SOURCE
from recsys.model import Snapshot
from recsys.ranker import Ranker
from recsys.snapshot.choices import SourceChoice
from recsys.sources.protocol import Scorer

MOST_USERS = 1_000
# What is not among the best so many of some 300 candidates is taken not to come among the best ten without one source.
MOST_PLACES = 100
N_TIMED = 40
K_TIMED = 50
# Answers without these would be missing something else than accuracy: what fills a page, what `similar` is made of, and
# what has come into the catalogue lately.
KEPT = frozenset({"history", "popular", "als", "content", "fresh"})
# A source must win this share of NDCG@10 on some task. Several that win little one by one win something together: with
# 0.5 % asked, lists lost 0.3 % of NDCG@10 on a validation window of Complete Journey. Milliseconds are shown beside and
# do not decide: they depend on the machine and its other work, and the same data must give the same snapshot.
LEAST_GAIN = 0.001


@dataclass(frozen=True, slots=True)
class Worth:
    """gains: task -> NDCG@10 with all sources minus that without this one, its columns and its own candidates ·
    relative: the largest gain as a share of the task's NDCG@10 · cost_ms: of retrieving and scoring for one query ·
    follower: the ranker whose order is this source's own, "" for none.
    """

    source: str
    gains: Mapping[str, float]
    relative: float
    cost_ms: float
    follower: str = ""

    @property
    def pays(self) -> bool:
        """Whether it stays."""
        return self.source in KEPT or bool(self.follower) or self.relative >= LEAST_GAIN

    @property
    def why(self) -> str:
        """Why it stays or does not, as the end of a sentence about it."""
        if self.source in KEPT:
            return "pages are filled with it, features made of it or new items shown by it, whatever it wins"
        if self.follower and self.relative < LEAST_GAIN:
            return f"{self.follower} are ordered by it, whatever it wins elsewhere"
        if self.pays:
            return f"wins {100 * self.relative:.2f} % of NDCG@10"
        won = f"wins {100 * self.relative:.2f} % of NDCG@10" if self.relative > 0 else "wins nothing"
        return f"{won}, {100 * LEAST_GAIN:g} % are asked"

    @property
    def choice(self) -> SourceChoice:
        """As the manifest keeps it."""
        gains = {task: round(gain, 6) for task, gain in self.gains.items()}
        return SourceChoice(self.source, gains, round(self.cost_ms, 3), self.pays, self.why)


def worths(
    chosen: Sequence[Chosen], newest: Labelled, snapshot: Snapshot, feature_names: Sequence[str]
) -> tuple[Worth, ...]:
    """Of every source of ``snapshot``, judged on ``newest`` by the rankers that were chosen without having seen it.

    The rankers are not trained again without the source: the loss is an upper bound, so what loses nothing is safe to
    leave out.
    """
    costs = _costs_ms(snapshot, newest)
    # Without its source such a ranker could not answer; newcomers may be too few in the sample to show it as a gain.
    followers = {one.contender.fusion.source: one.head.name for one in chosen if one.contender.fusion.kind == SOURCE}
    with_all: dict[str, float] = {}
    gains: dict[str, dict[str, float]] = {name: {} for name in costs}
    for one in chosen:
        truth = newest.truths[one.head.task]
        if one.ranker is None or not len(truth):
            continue
        # Some of the users tell as much: what is looked for is whether a source is worth nothing.
        every = -(-len(newest.asked) // MOST_USERS)
        truth = truth.among(newest.asked.users[::every])
        rows = rows_about(one.head, newest, truth)
        if not len(truth):
            continue

        def ndcg(part: Frame, scores: Float64, truth: Truth = truth) -> float:
            lists = lists_by(part, scores, newest.asked, truth)
            return float(per_user(lists, truth, len(snapshot.catalogue))["ndcg@10"].mean())

        whole = one.ranker.score(rows.features)
        best = best_of(rows, whole, len(newest.asked))
        rows, whole = rows.where(best), whole[best]
        with_all[one.head.task] = ndcg(rows, whole)
        for name in costs:
            part, scores = rescored(rows, whole, one.ranker, feature_names, name)
            gains[name][one.head.task] = with_all[one.head.task] - ndcg(part, scores)
    return tuple(
        Worth(
            name,
            gains[name],
            max((gain / with_all[task] for task, gain in gains[name].items() if with_all[task] > 0), default=0.0),
            costs[name],
            followers.get(name, ""),
        )
        for name in costs
    )


def best_of(rows: Frame, scores: Float64, n_queries: int) -> Bool:
    """(R,) which rows are among the ``MOST_PLACES`` of their query with the best ``scores`` (R,)."""
    found = top_rows(rows.query, rows.items, scores, n_queries, MOST_PLACES)
    best = np.zeros(len(rows), bool)
    best[found[found >= 0]] = True
    return best


def rescored(
    frame: Frame, scores: Float64, ranker: Ranker, feature_names: Sequence[str], source: str
) -> tuple[Frame, Float64]:
    """The rows that another source returned, and what ``ranker`` gives them with the columns of ``source`` unknown.

    scores: (R,) what it gives all rows as they are, which is what it still gives those that ``source`` says nothing of.
    """
    mine = np.array([source_of(name) == source for name in feature_names])
    ranks = np.array([name.endswith("_rank") for name in feature_names])
    kept = found_by(frame, ranks & ~mine)
    changed = kept & ~np.isnan(frame.features[:, mine]).all(axis=1)
    features = frame.features[changed]
    features[:, mine] = np.nan
    scores = scores.copy()
    scores[changed] = ranker.score(features)
    return frame.where(kept), scores[kept]


def dropped(frame: Frame, feature_names: Sequence[str], remaining: Sequence[str]) -> Frame:
    """The rows that a source whose columns are among ``remaining`` returned, and only those columns."""
    place = {name: position for position, name in enumerate(feature_names)}
    ranks = np.array([name.endswith("_rank") and name in set(remaining) for name in feature_names])
    kept = frame.where(found_by(frame, ranks))
    return replace(kept, features=np.ascontiguousarray(kept.features[:, [place[name] for name in remaining]]))


def found_by(frame: Frame, ranks: Bool) -> Bool:
    """Which rows have a rank in one of the columns ``ranks`` (F,)."""
    found: Bool = np.any(np.isfinite(frame.features[:, ranks]), axis=1)
    return found


def source_of(feature: str) -> str:
    """The source whose column ``feature`` is, "" for none's."""
    for ending in ("_rank", "_closeness", "_score"):
        if feature.endswith(ending):
            return feature.removesuffix(ending)
    return ""


def lacks_sources(had: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether columns ``had`` are ``wanted`` but for some of optional sources, for which early data is too little."""
    missing = [name for name in wanted if name not in set(had)]
    return set(had) <= set(wanted) and all(source_of(name) in OPTIONAL_SOURCES for name in missing)


def _costs_ms(snapshot: Snapshot, newest: Labelled) -> dict[str, float]:
    """Median milliseconds of each source for one query that remembers nothing, retrieval and scoring of the rest."""
    users = snapshot.users.ids(newest.asked.users[:N_TIMED])
    at = newest.window.start
    queries = [resolve(Ask(at=at, user_id=user_id, serving_config="discover"), snapshot).query for user_id in users]
    costs = {}
    for name, source in snapshot.pipeline.sources.items():
        if name.startswith("similar"):
            continue
        seconds = []
        for query in queries:
            fresh = replace(query, remembered={})
            start = perf_counter()
            hits = source.retrieve(fresh, K_TIMED)
            if isinstance(source, Scorer) and len(fresh.history):
                source.score(fresh, hits.items)
            seconds.append(perf_counter() - start)
        costs[name] = float(np.median(seconds)) * 1e3
    return costs
