"""Lists by what was not chosen: every other fusion, and forests that miss a family of features or a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from index.figures import NOTHING, WITHOUT
from index.frames import Frame
from index.heads import parts_of, top_lists, train
from index.labelled import Labelled
from index.scoring import CHUNK
from index.selection import Chosen, Contender, final, lesson_of
from index.worth import source_of
from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.ask import Ask, resolve
from recsys.evaluation.metrics import DEEP
from recsys.features.assemble import assemble
from recsys.fusion import FOREST, LINEAR, RECIPROCAL_RANK, STACKED, Fusion
from recsys.model import Snapshot
from recsys.ranker import Ranker

Lists = Callable[[str, Int32], Int32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the rankers of a build were trained on: chosen (H,) a head, windows (W,) by head, names of the features."""

    chosen: tuple[Chosen, ...]
    windows: Mapping[str, tuple[Labelled, ...]]
    names: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class _Table:
    """Candidates and features of all queries of one serving config, before any order."""

    query: Int64
    items: Int32
    features: Float32
    n_queries: int

    def lists(self, score: Callable[[Float32], Float64]) -> Int32:
        rows = Frame(self.features, np.zeros(len(self.items), bool), np.zeros(0, bool), self.query, self.items)
        return top_lists(rows, score(self.features), self.n_queries, DEEP)


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Other orders of the same candidates. One table of features is kept: 4 bytes x features x candidates."""

    snapshot: Snapshot
    lesson: Lesson
    at: int
    kept: dict[tuple[str, bytes], _Table] = field(default_factory=dict)

    def fusions(self) -> dict[str, Lists]:
        """``fusion <kind>`` of every kind: the ranker's order before any policy, on the candidates of the pipeline."""
        kinds: tuple[Fusion, ...] = (Fusion(RECIPROCAL_RANK),)
        if self.snapshot.rankers or any(one.contender.fusion.linear is not None for one in self.lesson.chosen):
            kinds = (*kinds, *(Fusion(kind) for kind in (LINEAR, FOREST, STACKED)))
        return {f"fusion {kind.kind}": self._lists(self._fitted(kind)) for kind in kinds}

    def ablations(self, advance: Callable[[str], None] = lambda name: None) -> dict[str, Lists]:
        """``without <what>``: forests that never knew some columns, on the same candidates. Minutes each.

        Of a mean of forests the first alone is grown, for what knows everything (``without nothing``) too.
        """
        found = {}
        nothing = np.zeros(len(self.lesson.names), bool)
        for what, columns in ((NOTHING, nothing), *self._groups()):
            advance(what)
            found[f"{WITHOUT}{what}"] = self._lists(self._blinded(columns))
        return found

    def _groups(self) -> Iterator[tuple[str, Bool]]:
        names = self.lesson.names
        position = 0
        for family in self.snapshot.pipeline.families:
            columns = np.zeros(len(names), bool)
            columns[position : position + len(family.names)] = True
            position += len(family.names)
            if columns.any():
                yield f"{type(family).__name__} features", columns
        for source in self.snapshot.pipeline.sources:
            if not source.startswith("similar"):
                yield f"source {source}", np.array([source_of(name) == source for name in names])

    def _fitted(self, kind: Fusion) -> Mapping[str, Ranker]:
        rankers: dict[str, Ranker] = {}
        for one in self.lesson.chosen:
            recipe = one.contender.recipe or one.head.recipes[0] if kind.needs_forest else None
            other = replace(one, contender=Contender(kind, recipe))
            kept = self.snapshot.rankers.get(one.head.name)
            if kind.kind == FOREST and kept is not None:
                rankers[one.head.name] = kept
                continue
            windows = self.lesson.windows[one.head.name]
            fusion, forest = final(other, windows, self.lesson.names, seed=self.lesson.seed)
            if fusion.kind != kind.kind:
                continue  # too little to fit it on: no lists are better than another fusion's under its name
            rankers[one.head.name] = fusion.bound(self.lesson.names, forest)
        return rankers

    def _blinded(self, columns: Bool) -> Mapping[str, Ranker]:
        rankers: dict[str, Ranker] = {}
        for one in self.lesson.chosen:
            recipe = parts_of(one.contender.recipe or one.head.recipes[0])[0]
            sample = lesson_of(one.head, recipe, self.lesson.windows[one.head.name], seed=self.lesson.seed)
            if sample is None:
                continue
            kept = self.snapshot.rankers.get(one.head.name)
            if not columns.any() and kept is not None and one.contender == Contender(Fusion(FOREST), recipe):
                rankers[one.head.name] = kept  # just that
                continue
            features = sample.features.copy()
            features[:, columns] = np.nan  # a column that is never known is never split on
            rankers[one.head.name] = train(recipe, replace(sample, features=features), seed=self.lesson.seed)
        return rankers

    def _lists(self, rankers: Mapping[str, Ranker]) -> Lists:
        def lists(config: str, users: Int32) -> Int32:
            ranker = rankers.get(config)
            if ranker is None:
                return np.full((len(users), DEEP), -1, np.int32)
            return self._table(config, users).lists(ranker.score)

        return lists

    def _table(self, config: str, users: Int32) -> _Table:
        key = (config, users.tobytes())
        if key not in self.kept:
            self.kept.clear()
            self.kept[key] = self._assembled(config, users)
        return self.kept[key]

    def _assembled(self, config: str, users: Int32) -> _Table:
        pipeline, ids = self.snapshot.pipeline, self.snapshot.users.ids(users)
        parts: list[tuple[Int64, Int32, Float32]] = []
        for start in range(0, len(users), CHUNK):
            asks: Sequence[Ask] = [
                Ask(at=self.at, user_id=user, serving_config=config, limit=DEEP) for user in ids[start : start + CHUNK]
            ]
            queries = [resolve(ask, self.snapshot).query for ask in asks]
            candidates = [pipeline.retrieve(query)[0] for query in queries]
            features, rows = assemble(pipeline.families, queries, candidates, pipeline.context)
            parts.append((rows.query_of + start, rows.items, features))
        query, items, table = (np.concatenate(part) for part in zip(*parts, strict=True))
        return _Table(query, items, table, len(users))
