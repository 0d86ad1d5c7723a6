"""From a dataset to a snapshot in memory: windows, sources, features, heads, validation, and the fit on everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from index.dataset import Codes, Dataset
from index.dataset import Profiles as ProfileTable
from index.embed import embed
from index.fit import Timeless, fit
from index.frames import Frame, frame_of
from index.gates import LEAST_VALIDATED, Gate, ann_recall, finite_share, gates_of, ratio
from index.heads import HEADS, rows_of, top_lists, train
from index.progress import Stages
from index.scoring import lists_of_pipeline, lists_of_source
from index.windows import Window, sampled, span, truth_in, windows_before
from recsys.arrays import Float32, frozen
from recsys.catalogue import Catalogue
from recsys.evaluation.metrics import DEEP, per_user
from recsys.evaluation.truth import Truth
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.ranker import Forest
from recsys.serving import built_in
from recsys.text_column import TextColumn

# More queries a window teach the forest nothing new, and bound memory: 10,000 x 260 rows x 90 features = 0.9 GB.
MOST_QUERIES = 10_000
# What no head will look at is dropped window by window; only the newest stays whole, for validation.
NEGATIVES_KEPT = max(head.negatives for head in HEADS)
Tasks = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Built:
    """A snapshot in memory; validation: task -> name -> metric -> value on the newest window, {} without one;
    n_validated: its users.
    """

    snapshot: Snapshot
    validation: Tasks
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    n_validated: int


@dataclass(frozen=True, slots=True)
class Builder:
    """What all steps of one build share."""

    dataset: Dataset
    users: IdMap
    timeless: Timeless
    stages: Stages

    @classmethod
    def of(cls, dataset: Dataset, *, cache: Path, stages: Stages) -> Builder:
        """Catalogue, profiles and embeddings: what does not depend on when."""
        settings = dataset.settings
        n_texts = len(set(dataset.items.texts) - {""})
        with stages.stage("embed texts", total=n_texts) as step:
            embedded = embed(
                dataset.items.texts,
                model=settings.encoder.model,
                batch_size=settings.encoder.batch_size,
                cache=cache,
                advance=step.advance,
            )
        stages.print(f"texts: {n_texts:,} distinct, {embedded.n_encoded:,} encoded now, the rest from the cache")
        timeless = Timeless.of(
            catalogue_of(dataset),
            profiles_of(dataset.users, len(dataset.user_ids)),
            embedded.vectors,
            embedded.text_of,
            seed=settings.training.seed,
        )
        return cls(dataset, IdMap.of(dataset.user_ids), timeless, stages)

    def snapshot(self, interactions: Interactions, at: int, rankers: Mapping[str, Forest]) -> Snapshot:
        """Everything fitted on ``interactions``, which lie before ``at``."""
        seed = self.dataset.settings.training.seed
        return self.with_rankers(
            fit(self.timeless, interactions, len(self.users), at=at, seed=seed), interactions, rankers
        )

    def with_rankers(self, model: Model, interactions: Interactions, rankers: Mapping[str, Forest]) -> Snapshot:
        """The snapshot of a model that is fitted already."""
        return Snapshot.of(
            model,
            rankers=rankers,
            users=self.users,
            histories=Histories.of_interactions(interactions, len(self.users)),
            configs=built_in(),
            last_event_at=int(interactions.times.max()),
        )

    def frame(self, window: Window, snapshot: Snapshot, truth: Truth) -> Frame:
        """Training rows of ``window``."""
        with self.stages.stage(f"candidates and features {_day(window)}", total=len(truth)) as step:
            return frame_of(snapshot, truth, self.dataset.user_ids, at=window.start, advance=step.advance)


def build(builder: Builder, *, end: int) -> Built:
    """The snapshot of all interactions, which lie before ``end``; heads are validated on the newest window first."""
    # The products here are small: a second BLAS thread gains nothing and, on a busy machine, costs a factor.
    with threadpool_limits(1, "blas"):
        return _build(builder, end=end)


def _build(builder: Builder, *, end: int) -> Built:
    dataset, stages = builder.dataset, builder.stages
    training, n_items = dataset.settings.training, len(dataset.item_ids)
    everything = dataset.interactions
    windows = windows_before(
        end, int(everything.times.min()), horizon_days=training.horizon_days, count=training.windows
    )
    stages.print(f"windows: {span(windows)}")
    rng = np.random.default_rng(training.seed)
    frames: list[Frame] = []
    names: tuple[str, ...] = ()
    newest: tuple[Snapshot, Truth] | None = None
    for window in windows:
        truth = sampled(truth_in(everything, window, n_items), MOST_QUERIES, training.seed)
        if not len(truth):
            continue
        with stages.stage(f"fit sources before {_day(window)}"):
            before = builder.snapshot(everything.before(window.start), window.start, {})
        frame = builder.frame(window, before, truth)
        if names and before.feature_names != names:
            continue  # so early that a whole source could not be fitted yet: its rows have other columns
        names = before.feature_names
        if newest is None:
            newest = (before, truth)
        frames.append(frame if len(frames) == 0 else frame.thinned(NEGATIVES_KEPT, rng))
    validation: Tasks = {}
    if newest is not None:
        with stages.stage("validate on the newest window"):
            validation = _validate(builder, frames, *newest)
    with stages.stage("fit sources on everything"):
        final = builder.snapshot(everything, end, {})
    rankers, notes = {}, []
    if final.feature_names == names:
        frames = [frame.thinned(NEGATIVES_KEPT, rng) if i == 0 else frame for i, frame in enumerate(frames)]
        rankers = _train(builder, frames, names)
    notes += [
        f"serving config {head.name} has no ranker: too little to train one on; sources are fused by reciprocal rank"
        for head in HEADS
        if head.name not in rankers
    ]
    snapshot = builder.with_rankers(final.model, everything, rankers)
    with stages.stage("measure gates"):
        n_validated = len(newest[1]) if newest is not None else 0
        values = _gate_values(snapshot, validation, training.seed)
        gates = gates_of(values, dataset.settings.gates, n_validated=n_validated)
    if n_validated < LEAST_VALIDATED:
        notes.append(
            f"gates on NDCG@10 are not judged: the newest window has {n_validated} users, {LEAST_VALIDATED} are needed "
            "(a limit given in recsys.toml is always judged)"
        )
    return Built(snapshot, validation, gates, tuple(notes), n_validated)


def _train(builder: Builder, frames: list[Frame], names: tuple[str, ...]) -> dict[str, Forest]:
    rankers = {}
    for head in HEADS:
        with builder.stages.stage(f"train ranker {head.name}") as step:
            ranker = train(head, frames, names, seed=builder.dataset.settings.training.seed)
            step.advance(sum(len(frame) for frame in frames))
        if ranker is not None:
            rankers[head.name] = ranker
    return rankers


def _validate(builder: Builder, frames: list[Frame], before: Snapshot, truth: Truth) -> Tasks:
    """Heads trained on the older windows, and two plain sources, on the newest window."""
    n_items = len(builder.dataset.item_ids)
    past = before.histories
    owners = np.repeat(np.arange(len(past)), np.diff(past.starts))[past.targets]
    novel = truth.without(frozen(owners, np.int32), past.items[past.targets], n_items)
    rankers = _train(builder, frames[1:], before.feature_names) if len(frames) > 1 else {}
    tasks: dict[str, dict[str, dict[str, float]]] = {}
    for task, head, target in (("all", HEADS[0], truth), ("novel", HEADS[1], novel)):
        if not len(target):
            continue
        by_name = {}
        if head.name in rankers:
            rows = rows_of(head, frames[0])
            lists = top_lists(rows, rankers[head.name].score(rows.features), len(truth), DEEP)
            by_name["pipeline"] = lists[np.searchsorted(truth.users, target.users)]
        else:  # fusion answers here, as it would when serving
            by_name["pipeline"] = lists_of_pipeline(
                before, head.name, target.users, at=before.model.context.statistics.at
            )
        for source in ("history", "popular"):
            by_name[source] = lists_of_source(
                before, source, head.name, target.users, at=before.model.context.statistics.at
            )
        tasks[task] = {
            name: {metric: float(values.mean()) for metric, values in per_user(lists, target, n_items).items()}
            for name, lists in by_name.items()
        }
    return tasks


def _gate_values(snapshot: Snapshot, validation: Tasks, seed: int) -> dict[str, float | None]:
    def ndcg(name: str) -> float | None:
        return validation.get("all", {}).get(name, {}).get("ndcg@10")

    shown = {item for ask in snapshot.golden_asks(64) for item in snapshot.answer(ask)}
    return {
        "min_rows": float(len(snapshot.histories.items)),
        "ann_recall": ann_recall(snapshot, seed),
        "ndcg_vs_popular": ratio(ndcg("pipeline"), ndcg("popular")),
        "ndcg_vs_history": ratio(ndcg("pipeline"), ndcg("history")),
        "coverage": len(shown) / max(len(snapshot.catalogue), 1),
        "finite": finite_share(snapshot),
    }


def catalogue_of(dataset: Dataset) -> Catalogue:
    """The catalogue's columns as the snapshot keeps them."""
    items = dataset.items
    return Catalogue(
        items=IdMap.of(dataset.item_ids),
        titles=TextColumn.of(items.titles),
        categories=TextColumn.of(items.categories),
        brands=TextColumn.of(items.brands),
        prices=frozen(items.prices, np.float32),
        in_stock=frozen(items.in_stock, np.bool_),
        created_at=frozen(items.created_at, np.int64),
        codes={name: frozen(column.codes, np.int32) for name, column in items.codes.items()},
    )


def profiles_of(table: ProfileTable, n_users: int) -> Profiles:
    """Profile columns as one float table; category codes become whole numbers, missing becomes NaN."""
    columns: list[Float32] = []
    for column in table.columns.values():
        if isinstance(column, Codes):
            columns.append(np.where(column.codes < 0, np.nan, column.codes).astype(np.float32))
        else:
            columns.append(column)
    values = np.stack(columns, axis=1) if columns else np.empty((n_users, 0), np.float32)
    return Profiles(tuple(table.columns), frozen(values, np.float32))


def _day(window: Window) -> str:
    return str(np.datetime64(window.start, "s").astype("datetime64[D]"))
