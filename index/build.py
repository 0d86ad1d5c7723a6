"""From a dataset to a snapshot in memory: windows, sources, features, heads, validation, and the fit on everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from index.alternatives import Lesson
from index.dataset import Codes, Dataset
from index.dataset import Profiles as ProfileTable
from index.embed import embed
from index.fit import Timeless, fit
from index.frames import Frame, frame_of
from index.gates import LEAST_VALIDATED, Gate, ann_recall, finite_share, gates_of, ratio
from index.heads import HEADS
from index.policy_weights import PolicyWeights, choose_weights
from index.progress import Stages
from index.scoring import lists_of_source
from index.selection import Chosen, Labelled, choose, final
from index.tuning import Budget, tune
from index.windows import Window, judged, planned, sampled, span, strangers_in, truth_in
from index.worth import Worth, worths
from index.worth import dropped as rows_without
from recsys.arrays import Float32, frozen
from recsys.catalogue import Catalogue
from recsys.fusion import Fusion
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.interactions import Interactions
from recsys.model import Model, Snapshot
from recsys.profiles import Profiles
from recsys.ranker import Forest
from recsys.serving import ServingConfig, built_in
from recsys.text_column import TextColumn

# More queries a window teach the forest nothing new, and bound memory: all negatives of 4,000 x 300 rows x 130 features
# take 0.6 GB in a window that is judged, a sixth of those of 10,000 queries 0.25 GB in one that is not.
MOST_QUERIES = 10_000
MOST_JUDGED = 4_000
# What no head will look at is dropped at once; only judged windows stay whole.
# One customer without a history for so many with one.
STRANGERS = 5
NEGATIVES_KEPT = max(head.negatives for head in HEADS)
Tasks = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Built:
    """A snapshot in memory; validation: task -> name -> metric -> mean over users of the judged windows, {} without
    one; n_validated: how many users that is · worths: of the
    sources · policies: by serving config · lesson: what rankers were trained on.
    """

    snapshot: Snapshot
    validation: Tasks
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    n_validated: int
    worths: tuple[Worth, ...] = ()
    policies: Mapping[str, PolicyWeights] = field(default_factory=dict)
    lesson: Lesson | None = None


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

    def snapshot(self, interactions: Interactions, at: int) -> Snapshot:
        """Everything fitted on ``interactions``, which lie before ``at``, without rankers."""
        seed = self.dataset.settings.training.seed
        return self.with_rankers(fit(self.timeless, interactions, len(self.users), at=at, seed=seed), interactions)

    def with_rankers(
        self,
        model: Model,
        interactions: Interactions,
        rankers: Mapping[str, Forest] | None = None,
        fusions: Mapping[str, Fusion] | None = None,
        weights: Mapping[str, PolicyWeights] | None = None,
    ) -> Snapshot:
        """The snapshot of a model that is fitted already; ``weights`` by the name of the serving config."""
        return Snapshot.of(
            model,
            rankers=rankers or {},
            users=self.users,
            histories=Histories.of_interactions(interactions, len(self.users)),
            configs={name: _weighted(config, weights or {}) for name, config in built_in().items()},
            last_event_at=int(interactions.times.max()),
            fusions=fusions,
        )

    def labelled(self, window: Window, *, whole: bool) -> tuple[Labelled, Snapshot] | None:
        """The rows of ``window`` and the snapshot they were made with; None for a window in which nothing happened."""
        everything, n_items = self.dataset.interactions, len(self.dataset.item_ids)
        seed = self.dataset.settings.training.seed
        truth = sampled(truth_in(everything, window, n_items), MOST_JUDGED if whole else MOST_QUERIES, seed)
        if not len(truth):
            return None
        past = everything.before(window.start)
        # Some who come for the first time: without them a ranker has never seen a customer without a history.
        strangers = strangers_in(everything, window, n_items)
        asked = truth.joined(sampled(strangers, max(len(truth) // STRANGERS, 1), seed), n_items)
        with self.stages.stage(f"fit sources before {_day(window)}"):
            before = self.snapshot(past, window.start)
        with self.stages.stage(f"candidates and features {_day(window)}", total=len(asked)) as step:
            frame = frame_of(
                before,
                asked,
                self.dataset.user_ids,
                at=window.start,
                share=1.0 if whole else NEGATIVES_KEPT,
                rng=None if whole else np.random.default_rng(seed),
                advance=step.advance,
            )
        novel = truth.without(past.users[past.targets], past.items[past.targets], n_items)
        truths = {"all": truth, "novel": novel}
        plain = {
            head.task: {
                name: lists_of_source(before, name, head.name, truths[head.task].users, at=window.start)
                for name in ("history", "popular")
            }
            for head in HEADS
            if whole and len(truths[head.task])
        }
        return Labelled(window, asked, truths, frame, whole, plain), before


def build(builder: Builder, *, end: int, budget: Budget | None = None) -> Built:
    """The snapshot of all interactions, which lie before ``end``; fusions are chosen on the newest windows first.

    ``budget``: of a search for better recipes, which none means.
    """
    # The products here are small: a second BLAS thread gains nothing and, on a busy machine, costs a factor.
    with threadpool_limits(1, "blas"):
        return _build(builder, end=end, budget=budget)


def _build(builder: Builder, *, end: int, budget: Budget | None) -> Built:
    dataset, stages = builder.dataset, builder.stages
    training, n_items = dataset.settings.training, len(dataset.item_ids)
    everything = dataset.interactions
    windows = planned(everything, end, n_items, horizon_days=training.horizon_days, count=training.windows)
    n_newest = len(truth_in(everything, windows[0], n_items)) if windows else 0
    to_judge = judged(windows, n_newest)
    stages.print(f"windows: {span(windows)}; {len(to_judge)} of them to judge by")
    labelled: list[Labelled] = []
    names: tuple[str, ...] = ()
    newest: Snapshot | None = None
    for window in windows:
        found = builder.labelled(window, whole=window in to_judge)
        if found is None or (names and found[1].feature_names != names):
            continue  # so early that a whole source could not be fitted yet: its rows have other columns
        labelled.append(found[0])
        names, newest = found[1].feature_names, newest or found[1]
    with stages.stage("fit sources on everything"):
        last = builder.snapshot(everything, end)
    chosen: list[Chosen] = []
    searched: list[str] = []
    for head in HEADS:
        recipe = None
        if budget is not None and budget.minutes > 0:
            with stages.stage(f"search a recipe for {head.name}") as step:
                tuned = tune(head, labelled, n_items, budget, seed=training.seed, advance=step.advance)
            recipe, said = tuned or (None, f"no window to judge recipes for {head.name} by: none was searched for")
            searched.append(said)
        with stages.stage(f"choose the fusion of {head.name}"):
            chosen.append(choose(head, labelled, names, n_items, seed=training.seed, tuned=recipe))
    notes = searched + [f"serving config {one.head.name} orders by {one.why}" for one in chosen]
    table: tuple[Worth, ...] = ()
    if labelled and newest is not None and labelled[0].whole:
        with stages.stage("weigh sources"):
            table = worths(chosen, labelled[0], newest, names)
    weights: dict[str, PolicyWeights] = {}
    if labelled and newest is not None and labelled[0].whole:
        with stages.stage("weigh variety"):
            for one in chosen:
                if (found_weights := choose_weights(one, labelled[0], newest.model.context)) is not None:
                    weights[one.head.name] = found_weights
    unpaid = {worth.source for worth in table if not worth.pays}
    model = last.model.without(unpaid)
    if unpaid:
        notes.append(f"left out, for they win too little: {', '.join(sorted(unpaid))}")
    last = builder.with_rankers(model, everything)
    frames, names = _without_sources(labelled, names, unpaid)
    rankers: dict[str, Forest] = {}
    fusions: dict[str, Fusion] = {}
    if last.feature_names == names:
        for one in chosen:
            with stages.stage(f"train {one.head.name}"):
                fusion, forest = final(one, frames, names, seed=training.seed)
            fusions[one.head.name] = fusion
            if forest is not None:
                rankers[one.head.name] = forest
    elif names:
        notes.append("the data of all time has other sources than that of any window: sources are fused by rank")
    snapshot = builder.with_rankers(model, everything, rankers, fusions, weights)
    lesson = Lesson(tuple(chosen), tuple(frames), names, training.seed) if frames else None
    n_validated = max((one.n_users for one in chosen), default=0)
    validation = _validation(chosen)
    with stages.stage("measure gates"):
        values = _gate_values(snapshot, validation, training.seed)
        gates = gates_of(values, dataset.settings.gates, n_validated=n_validated)
    if n_validated < LEAST_VALIDATED:
        notes.append(
            f"gates on NDCG@10 are not judged: the newest windows have {n_validated} users, {LEAST_VALIDATED} are "
            "needed (a limit given in recsys.toml is always judged)"
        )
    return Built(snapshot, validation, gates, tuple(notes), n_validated, table, weights, lesson)


def _weighted(config: ServingConfig, weights: Mapping[str, PolicyWeights]) -> ServingConfig:
    return weights[config.name].on(config) if config.name in weights else config


def _without_sources(
    labelled: Sequence[Labelled], names: tuple[str, ...], unpaid: Set[str]
) -> tuple[list[Frame], tuple[str, ...]]:
    """The windows' rows as they would be had those sources never been asked, and the remaining feature names."""
    if not unpaid:
        return [window.frame for window in labelled], names
    gone = {f"{source}_{what}" for source in unpaid for what in ("rank", "closeness", "score")}
    remaining = tuple(name for name in names if name not in gone)
    return [rows_without(window.frame, names, remaining) for window in labelled], remaining


def _validation(chosen: Sequence[Chosen]) -> Tasks:
    """Means over users of what was chosen, called pipeline, of all it was chosen from, and of plain lists."""
    tasks: dict[str, dict[str, dict[str, float]]] = {}
    for one in chosen:
        if not one.scores:
            continue
        means = {label: {m: float(v.mean()) for m, v in values.items()} for label, values in one.scores.items()}
        tasks[one.head.task] = {"pipeline": means[one.contender.label], **means}
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
